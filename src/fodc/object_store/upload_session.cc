// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/upload_session.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileBytes = 4u << 20;

// Of a file that anybody may have changed: what is not there, or is something
// else, is empty.
std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}
std::uint64_t NumberAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_number_unsigned()
             ? it->get<std::uint64_t>()
             : 0;
}

}  // namespace

void UploadSession::Save(const std::string& file) const {
  if (file.empty()) return;
  json kept = {{"key", full_key},
               {"bytes", bytes},
               {"sha256", Sha256Text(sha256)},
               {"part_bytes", part_bytes},
               {"algorithm", algorithm},
               {"upload_id", id},
               {"parts", json::array()}};
  for (const UploadPart& part : parts) {
    kept["parts"].push_back({{"etag", part.etag},
                             {"sha256", Sha256Text(part.sha256)},
                             {"checksum", part.checksum}});
  }
  const Status s = WriteFileAtomically(
      file, kept.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!s.ok()) LogDebug("an upload cannot be resumed", {{"error", s}});
}

bool UploadSession::Load(const std::string& file) {
  if (file.empty()) return false;
  const auto text = ReadFile(file, kMaxFileBytes);
  if (!text.ok()) return false;
  const json kept = json::parse(*text, nullptr, false);
  if (!kept.is_object() || TextAt(kept, "key") != full_key ||
      NumberAt(kept, "bytes") != bytes ||
      TextAt(kept, "sha256") != Sha256Text(sha256) ||
      NumberAt(kept, "part_bytes") != part_bytes ||
      TextAt(kept, "algorithm") != algorithm || !kept.contains("parts") ||
      !kept["parts"].is_array() || TextAt(kept, "upload_id").empty()) {
    return false;
  }
  std::vector<UploadPart> known;
  for (const json& part : kept["parts"]) {
    if (!part.is_object()) return false;
    const auto digest = ParseSha256(TextAt(part, "sha256"));
    if (!digest || known.size() * part_bytes >= bytes) return false;
    known.push_back({.etag = TextAt(part, "etag"),
                     .sha256 = *digest,
                     .checksum = TextAt(part, "checksum")});
  }
  id = TextAt(kept, "upload_id");
  parts = std::move(known);
  return true;
}

void UploadSession::Forget(const std::string& file) {
  if (!file.empty()) (void)::unlink(file.c_str());
}

}  // namespace fodc::object_store
