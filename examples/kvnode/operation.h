// SPDX-License-Identifier: Apache-2.0
// One change of the node's data, as it stands in the log. It is made once from
// a request, and the log and the store both work on its bytes: a large value
// is not copied again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace kvnode {

// The kind of the log's record. Numbers are never used again.
enum class OperationKind : std::uint16_t { kPut = 1, kDelete = 2, kAppend = 3 };

// `key` names the stream of an append.
struct OperationView {
  OperationKind kind;
  std::string_view key;
  std::string_view value;  // empty for a delete
};

class Operation {
 public:
  // Of keys and names of streams, in bytes; the API refuses longer ones.
  static constexpr std::size_t kMaxKeyBytes = 4096;

  Operation(OperationKind kind, std::string_view key, std::string_view value);
  // Errors: kDataLoss for a payload that no Operation has made.
  static fodc::Result<OperationView> Read(std::uint16_t kind,
                                          std::string_view payload);

  OperationKind kind() const { return kind_; }
  // The record's payload: length of the key (4 bytes, little-endian), key,
  // value.
  const std::string& payload() const { return payload_; }
  OperationView view() const;

 private:
  OperationKind kind_;
  std::string payload_;
};

}  // namespace kvnode
