// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/ledger.h"

#include <nlohmann/json.hpp>

namespace fodc::object_server {
namespace {

constexpr std::array<std::string_view, kOperations> kNames = {
    "put",           "get",          "head",
    "list",          "delete",       "copy",
    "create_upload", "put_part",     "complete_upload",
    "abort_upload",  "token",        "create_container",
    "list_parts",    "list_uploads", "other",
    "batch"};

}  // namespace

std::string_view OperationName(Operation o) {
  return kNames[static_cast<std::size_t>(o)];
}

std::optional<Operation> OperationOf(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Operation>(i);
  }
  return std::nullopt;
}

void Ledger::End(Operation operation, std::string_view key, int status,
                 std::uint64_t bytes) {
  --in_flight_;
  ++counts_[static_cast<std::size_t>(operation)][status];
  if (entries_.size() == kKept) entries_.pop_front();
  entries_.push_back({operation, status, bytes, std::string(key)});
}

void Ledger::Clear() {
  entries_.clear();
  for (auto& c : counts_) c.clear();
  max_in_flight_ = in_flight_;
}

std::string Ledger::AsJson(std::size_t limit, std::string_view key,
                           bool per_key) const {
  nlohmann::json out;
  auto& requests = out["requests"] = nlohmann::json::array();
  std::map<std::string, std::map<std::string, std::uint64_t>> keys;
  const std::size_t skip =
      entries_.size() > limit ? entries_.size() - limit : 0;
  for (std::size_t i = skip; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    if (e.key.find(key) == std::string::npos) continue;
    const std::string operation(OperationName(e.operation));
    requests.push_back({{"operation", operation},
                        {"key", e.key},
                        {"status", e.status},
                        {"bytes", e.bytes}});
    if (per_key) ++keys[e.key][operation];
  }
  auto& counts = out["counts"] = nlohmann::json::object();
  for (std::size_t i = 0; i < kOperations; ++i) {
    for (const auto& [status, count] : counts_[i]) {
      counts[std::string(kNames[i])][std::to_string(status)] = count;
    }
  }
  out["max_in_flight"] = max_in_flight_;
  if (per_key) out["per_key"] = keys;
  // Keys are bytes; what is no UTF-8 must not end the server.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace fodc::object_server
