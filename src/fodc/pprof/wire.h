// SPDX-License-Identifier: Apache-2.0
// The bytes of protocol buffers, as far as profile.proto needs them: varints
// and fields that state their length.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fodc::pprof {

inline constexpr std::size_t kMaxVarintBytes = 10;

// Builds one message in memory that it keeps.
class WireMessage {
 public:
  void Clear() { bytes_.clear(); }
  std::string_view bytes() const { return bytes_; }

  void Varint(std::uint64_t value);
  // Zero is the default and takes no bytes.
  void Uint(std::uint32_t field, std::uint64_t value);
  void Int(std::uint32_t field, std::int64_t value) {
    Uint(field, static_cast<std::uint64_t>(value));
  }
  void Bytes(std::uint32_t field, std::string_view value);
  // Zero is written as well: an item of a repeated field.
  void Item(std::uint32_t field, std::uint64_t value);

 private:
  std::string bytes_;
};

// A field of a message; what `bytes` refers to is the message's.
struct WireField {
  std::uint32_t number = 0;
  bool is_bytes = false;
  std::uint64_t value = 0;  // of a varint or a fixed one
  std::string_view bytes;
};

// Takes the next field off `*rest`. Nothing at the end, and nothing with `*ok`
// false if the bytes are no message.
std::optional<WireField> TakeField(std::string_view* rest, bool* ok);
std::optional<std::uint64_t> TakeLongVarint(std::string_view* rest);

// Most are of one byte.
inline std::optional<std::uint64_t> TakeVarint(std::string_view* rest) {
  if (rest->empty() || static_cast<unsigned char>(rest->front()) >= 0x80) {
    return TakeLongVarint(rest);
  }
  const auto value = static_cast<unsigned char>(rest->front());
  rest->remove_prefix(1);
  return value;
}

// Calls `each(value)` for what a repeated number has, packed or not. False if
// the list is cut.
template <typename Each>
bool ForNumbers(const WireField& field, const Each& each) {
  if (!field.is_bytes) {
    each(field.value);
    return true;
  }
  for (std::string_view rest = field.bytes; !rest.empty();) {
    const std::optional<std::uint64_t> value = TakeVarint(&rest);
    if (!value) return false;
    each(*value);
  }
  return true;
}

}  // namespace fodc::pprof
