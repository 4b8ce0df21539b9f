// SPDX-License-Identifier: Apache-2.0
// One large object fetched into a file in ranges beside each other: a single
// connection to a store is slower than the line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/object_store/object_info.h"
#include "fodc/object_store/object_store.h"

namespace fodc::object_store {

struct RangedGetOptions {
  std::uint64_t range_bytes = 64u << 20;
  std::size_t concurrency = 4;  // ranges at a time
  std::stop_token stop{};
};

// Writes the object, which has so many bytes, to `fd` from offset 0 on, in no
// order and holding none of it in memory. The first failure ends the other
// ranges, too; what has been written by then stays. What is read in one range
// is compared with the store's digest, as by ObjectStore::Get; what is read in
// several is not: the caller compares the file with `sha256` of the answer, or
// with what it knows.
//
// Errors: those of ObjectStore::Get and of writing; kDataLoss for an object of
// another size, a range that gives more or less than it has, and one that is
// another object's than the first one's.
Result<ObjectInfo> GetInRanges(ObjectStore& store, std::string_view key,
                               std::uint64_t bytes, int fd,
                               const RangedGetOptions& options);

}  // namespace fodc::object_store
