// SPDX-License-Identifier: Apache-2.0
// Google Cloud Storage: deletes.
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/gcs_store.h"

namespace fodc::object_store {

Status GcsStore::DeleteOne(std::string_view key, const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  const Status s = client_
                       .Do({.operation = "delete",
                            .key = key,
                            .request = JsonRequest("DELETE", full),
                            .transfer = {.stop = stop}})
                       .status();
  const bool is_gone =
      s.code() == Code::kNotFound &&
      s.message().find("bucket does not exist") == std::string::npos;
  return is_gone ? OkStatus() : s;
}

// The batch's token is that of each request in it.
Result<std::vector<BatchAnswer>> GcsStore::DeleteSome(
    const std::vector<std::string>& keys, const std::stop_token& stop) {
  std::vector<HttpRequest> parts;
  for (const std::string& key : keys) {
    FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
    parts.push_back(JsonRequest("DELETE", full));
  }
  const std::string body = WriteBatch(parts, "<fodc+", ">");
  const MemoryBlob blob(body);
  HttpRequest http{
      .method = "POST",
      .origin = origin_,
      .path = "/batch/storage/v1",
      .headers = {{"Content-Type", std::string(BatchContentType())}},
      .body = &blob,
      .body_bytes = blob.bytes()};
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "delete",
                                    .key = keys.front(),
                                    .request = std::move(http),
                                    .transfer = {.stop = stop}}));
  return ReadBatch(answer, keys.size());
}

// A key that no object can have spoils no batch.
Status GcsStore::Delete(const std::vector<std::string>& keys,
                        std::stop_token stop) {
  Status first;
  const std::vector<std::string> good = keys_.Good(keys, &first);
  const Status s = deletes_.Delete(good, stop);
  return first.ok() || s.code() == Code::kCancelled ? s : first;
}

}  // namespace fodc::object_store
