// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/node_mark.h"

#include <nlohmann/json.hpp>

#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = 64u << 10;

std::string KeyOf(const std::string& time_dir) {
  return time_dir + "/.meta/node.json";
}

}  // namespace

Result<std::optional<std::string>> ReadNodeMark(
    object_store::ObjectStore& store, const std::string& time_dir,
    const std::stop_token& stop) {
  const std::string key = KeyOf(time_dir);
  std::string text;
  const auto got = store.Get(key, {.stop = stop}, [&](std::string_view p) {
    if (text.size() + p.size() > kMaxBytes)
      return DataLoss(StrCat(key, ": it names no node"));
    text += p;
    return OkStatus();
  });
  if (got.status().code() == Code::kNotFound)
    return std::optional<std::string>();
  if (!got.ok()) return got.status();
  const json node = json::parse(text, nullptr, false);
  const bool is_named = node.is_object() && node.contains("node_id") &&
                        node["node_id"].is_string();
  return std::optional(is_named ? node["node_id"].get<std::string>()
                                : std::string());
}

Status WriteNodeMark(object_store::ObjectStore& store,
                     const std::string& time_dir, const std::string& node_id,
                     const std::stop_token& stop) {
  const std::string text = json{{"node_id", node_id}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
  const object_store::MemoryBlob blob(text);
  FODC_ASSIGN_OR_RETURN(const auto digests,
                        DigestsOf(blob, store.digest_kinds()));
  FODC_RETURN_IF_ERROR(
      store.Put(KeyOf(time_dir), blob, digests, {.stop = stop}));
  return store.Sync(stop);
}

}  // namespace fodc::backup
