// SPDX-License-Identifier: Apache-2.0
// What stands where in RocksDB's one key space, by first byte:
//   'a'                            sequence of the newest operation applied
//   'b' name                       a whole stream (the older layout)
//   'e' len(name) name sequence    one entry of a stream
//   'v' key                        a value
// Numbers in keys are big-endian, so that they sort as they count.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvnode {

template <std::unsigned_integral T>
void AppendLittleEndian(T value, std::string* out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

// False, with nothing taken, if `*bytes` is too short.
template <std::unsigned_integral T>
bool TakeLittleEndian(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof(T)) return false;
  *value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    *value |=
        static_cast<T>(T{static_cast<unsigned char>((*bytes)[i])} << (8 * i));
  }
  bytes->remove_prefix(sizeof(T));
  return true;
}

inline constexpr std::string_view kAppliedKey = "a";
inline constexpr std::string_view kValuePrefix = "v";
inline constexpr std::string_view kBlobPrefix = "b";

std::string ValueKey(std::string_view key);
std::string BlobKey(std::string_view stream);
// All entries of a stream begin so, and no other stream's do: the length goes
// before the name.
std::string EntryPrefix(std::string_view stream);
std::string EntryKey(std::string_view stream, std::uint64_t sequence);
// Of a key that EntryKey made.
std::uint64_t SequenceOf(std::string_view entry_key);

// The first key behind all that begin with `prefix`, which is not all 0xff.
std::string Behind(std::string prefix);

}  // namespace kvnode
