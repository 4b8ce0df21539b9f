// SPDX-License-Identifier: Apache-2.0
// Text of bounded size in memory that is there already: how panic.json is put
// together. Everything in it is async-signal-safe (signal-safety(7)).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fodc/base/clock.h"

namespace fodc::guard {

// Not thread-safe.
class RecordBuffer {
 public:
  // `memory` outlives the buffer.
  RecordBuffer(char* memory, std::size_t size) : data_(memory), max_(size) {}

  std::string_view text() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  std::size_t room() const { return max_ - size_; }
  // A piece did not fit; nothing was added since, until Truncate.
  bool is_full() const { return is_full_; }
  // Back to what it was when it had `size` bytes.
  void Truncate(std::size_t size) {
    size_ = size;
    is_full_ = false;
    is_string_ = false;
  }

  void Append(std::string_view piece);
  void AppendUint(std::uint64_t value);
  void AppendHex(std::uint64_t value);  // "0x1f"
  // A JSON string: what is appended between the two is escaped.
  void BeginString();
  void EndString();
  void AppendString(std::string_view text);
  // The next key of an object, with the comma before it if it needs one.
  void Key(std::string_view key);
  // The comma before the next element of a list, if it needs one.
  void Next();
  // RFC 3339 with nanoseconds, in quotes.
  void AppendTime(UnixTime t);
  // <YYYYMMDDTHHMMSS.nnnnnnnnnZ>: as text its order is that of the times.
  void AppendStamp(UnixTime t);

 private:
  void Put(std::string_view piece);
  void AppendPadded(std::uint64_t value, int digits);
  void AppendDate(UnixTime t, std::string_view between_days,
                  std::string_view between_hours);

  char* data_;
  std::size_t max_;
  std::size_t size_ = 0;
  bool is_full_ = false;
  bool is_string_ = false;
};

}  // namespace fodc::guard
