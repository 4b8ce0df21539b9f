// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/gcs_json.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/xml_text.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

Status NoAnswer(std::string_view what) {
  return DataLoss(StrCat("the answer is no ", what));
}

// Null where there is none, or it is something else.
const json* At(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(name);
  return it == object.end() ? nullptr : &*it;
}

std::string TextAt(const json& object, const char* name) {
  const json* const value = At(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>()
                                                : "";
}

std::optional<std::uint32_t> ParseCrc32c(std::string_view text) {
  const auto bytes = ParseBase64(text);
  if (!bytes || bytes->size() != 4) return {};
  std::uint32_t crc = 0;
  for (const char c : *bytes) crc = crc << 8 | static_cast<unsigned char>(c);
  return crc;
}

Result<ObjectInfo> InfoOf(const json& object) {
  ObjectInfo info{.key = TextAt(object, "name")};
  // A number of 64 bits is a text in Google's JSON.
  const auto bytes = ParseUint(TextAt(object, "size"));
  if (info.key.empty() || !bytes)
    return NoAnswer("object: it has no name or no size");
  info.bytes = *bytes;
  info.etag = TextAt(object, "etag");
  info.storage_class = TextAt(object, "storageClass");
  info.crc32c = ParseCrc32c(TextAt(object, "crc32c"));
  const auto md5 = ParseBase64(TextAt(object, "md5Hash"));
  if (md5 && md5->size() == sizeof(Md5))
    std::memcpy(info.md5.emplace().data(), md5->data(), sizeof(Md5));
  if (const auto t = ParseRfc3339(TextAt(object, "updated")); t.ok())
    info.modified = *t;
  if (const json* const metadata = At(object, "metadata"))
    info.sha256 = ParseSha256(TextAt(*metadata, "checksum_sha256"));
  return info;
}

}  // namespace

GcsError ReadGcsError(std::string_view body) {
  const json answer = json::parse(body, nullptr, false);
  if (const json* const error = At(answer, "error")) {
    GcsError out{.message = TextAt(*error, "message")};
    const json* const all = At(*error, "errors");
    if (all != nullptr && all->is_array() && !all->empty())
      out.code = TextAt(all->front(), "reason");
    return out;
  }
  pugi::xml_document document;
  const pugi::xml_node root = XmlRoot(body, &document, "Error");
  return {.code = root.child_value("Code"),
          .message = root.child_value("Message")};
}

Result<ListPage> ReadGcsList(std::string_view body) {
  const json answer = json::parse(body, nullptr, false);
  if (!answer.is_object()) return NoAnswer("listing");
  ListPage page;
  if (const json* const items = At(answer, "items")) {
    if (!items->is_array()) return NoAnswer("listing");
    for (const json& item : *items) {
      FODC_ASSIGN_OR_RETURN(ObjectInfo info, InfoOf(item));
      page.objects.push_back(std::move(info));
    }
  }
  if (const json* const prefixes = At(answer, "prefixes")) {
    if (!prefixes->is_array()) return NoAnswer("listing");
    for (const json& prefix : *prefixes) {
      if (!prefix.is_string()) return NoAnswer("listing");
      page.prefixes.push_back(prefix.get<std::string>());
    }
  }
  page.next_token = TextAt(answer, "nextPageToken");
  return page;
}

Result<ObjectInfo> ReadGcsObject(std::string_view body) {
  return InfoOf(json::parse(body, nullptr, false));
}

Result<std::string> ReadGcsRewrite(std::string_view body) {
  const json answer = json::parse(body, nullptr, false);
  const json* const done = At(answer, "done");
  if (done == nullptr || !done->is_boolean()) return NoAnswer("rewrite");
  if (done->get<bool>()) return std::string();
  std::string token = TextAt(answer, "rewriteToken");
  if (token.empty()) return NoAnswer("rewrite: it goes on, without a token");
  return token;
}

std::optional<std::uint32_t> Crc32cInHash(std::string_view header) {
  for (std::string_view part : Split(header, ',')) {
    part = Trim(part);
    if (ConsumePrefix(&part, "crc32c=")) return ParseCrc32c(part);
  }
  return {};
}

std::string Crc32cText(std::uint32_t crc) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0})
    bytes.push_back(static_cast<char>(crc >> shift & 0xff));
  return Base64(bytes);
}

}  // namespace fodc::object_store
