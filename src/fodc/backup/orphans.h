// SPDX-License-Identifier: Apache-2.0
// The keys at a destination that are too much there, in little memory however
// many they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {

// Not thread-safe.
class Orphans {
 public:
  // Beyond `most_bytes` they go into a file of that name, which has none from
  // then on.
  explicit Orphans(std::string file, std::size_t most_bytes = 1u << 20)
      : file_(std::move(file)), most_bytes_(most_bytes) {}

  // Errors: as open(2) and write(2).
  Status Add(std::string_view key);
  // The next ones, in their order, `most` at most; none: that was all. No Add
  // after it. Errors: as read(2).
  Result<std::vector<std::string>> Take(std::size_t most);

  std::uint64_t size() const { return size_; }

 private:
  Status Spill();

  const std::string file_;
  const std::size_t most_bytes_;
  std::string keys_;    // NUL behind each
  std::size_t at_ = 0;  // what is taken from it
  std::uint64_t size_ = 0;
  UniqueFd fd_;
  std::uint64_t read_to_ = 0;
};

}  // namespace fodc::backup
