// SPDX-License-Identifier: Apache-2.0
// Azure: deletes.
#include <optional>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_store.h"

namespace fodc::object_store {

Status AzureStore::DeleteOne(std::string_view key,
                             const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  HttpRequest http = RequestTo("DELETE", full);
  http.headers = {{"x-ms-delete-snapshots", "include"}};
  const Status s = client_
                       .Do({.operation = "delete",
                            .key = key,
                            .request = std::move(http),
                            .transfer = {.stop = stop}})
                       .status();
  const bool is_gone =
      s.code() == Code::kNotFound &&
      s.message().find("ContainerNotFound") == std::string::npos;
  return is_gone ? OkStatus() : s;
}

// Each is signed for itself, whatever signs the batch.
Result<std::vector<BatchAnswer>> AzureStore::DeleteSome(
    const std::vector<std::string>& keys, const std::stop_token& stop) {
  std::vector<HttpRequest> unsigned_parts;
  for (const std::string& key : keys) {
    FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
    HttpRequest& part = unsigned_parts.emplace_back(RequestTo("DELETE", full));
    part.headers = {{"x-ms-delete-snapshots", "include"}};
  }
  HttpRequest http = RequestTo("POST", "");
  http.query.emplace_back("comp", "batch");
  http.headers = {{"Content-Type", std::string(BatchContentType())}};
  std::string body;
  std::optional<MemoryBlob> blob;
  const auto write = [&](UnixTime now, const std::stop_token& s,
                         HttpRequest* request) -> Status {
    std::vector<HttpRequest> parts = unsigned_parts;
    for (HttpRequest& part : parts)
      FODC_RETURN_IF_ERROR(SignPart(now, s, &part));
    body = WriteBatch(parts, "", "");
    blob.emplace(body);
    request->body = &*blob;
    request->body_bytes = blob->bytes();
    return OkStatus();
  };
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "delete",
                                    .key = keys.front(),
                                    .request = std::move(http),
                                    .transfer = {.stop = stop},
                                    .write = write}));
  return ReadBatch(answer, keys.size());
}

Status AzureStore::SignPart(UnixTime now, const std::stop_token& stop,
                            HttpRequest* part) const {
  if (!HasToken()) {
    SignAzurePart(options_.account, now, part);
    return OkStatus();
  }
  FODC_ASSIGN_OR_RETURN(const std::string token, options_.token(false, stop));
  part->headers.emplace_back("Authorization", "Bearer " + token);
  return OkStatus();
}

// A key that no blob can have spoils no batch.
Status AzureStore::Delete(const std::vector<std::string>& keys,
                          std::stop_token stop) {
  Status first;
  const std::vector<std::string> good = keys_.Good(keys, &first);
  const Status s = deletes_.Delete(good, stop);
  return first.ok() || s.code() == Code::kCancelled ? s : first;
}

}  // namespace fodc::object_store
