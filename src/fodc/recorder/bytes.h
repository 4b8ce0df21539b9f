// SPDX-License-Identifier: Apache-2.0
// Numbers in bytes, little-endian: what every format of this room is made of.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace fodc::recorder {

static_assert(std::endian::native == std::endian::little);

inline std::uint64_t ZigZag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^
         static_cast<std::uint64_t>(v >> 63);
}
inline std::int64_t UnZigZag(std::uint64_t v) {
  return static_cast<std::int64_t>((v >> 1) ^ (0 - (v & 1)));
}

// Differences wrap around, so that any two numbers have one.
inline std::int64_t WrapSub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) -
                                   static_cast<std::uint64_t>(b));
}
inline std::int64_t WrapAdd(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) +
                                   static_cast<std::uint64_t>(b));
}
inline std::int64_t WrapMul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) *
                                   static_cast<std::uint64_t>(b));
}

inline std::uint64_t BitsOf(double v) {
  return std::bit_cast<std::uint64_t>(v);
}
inline double FromBits(std::uint64_t bits) {
  return std::bit_cast<double>(bits);
}

inline constexpr std::size_t kMaxVarintBytes = 10;

template <std::unsigned_integral T>
void AppendFixed(std::string* out, T v) {
  char raw[sizeof v];
  std::memcpy(raw, &v, sizeof v);
  out->append(raw, sizeof v);
}

// At most kMaxVarintBytes; returns the end.
inline char* WriteVarint(char* out, std::uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}
inline void AppendVarint(std::string* out, std::uint64_t v) {
  char raw[kMaxVarintBytes];
  out->append(raw, static_cast<std::size_t>(WriteVarint(raw, v) - raw));
}
inline void AppendSigned(std::string* out, std::int64_t v) {
  AppendVarint(out, ZigZag(v));
}
// A length and the bytes.
inline void AppendText(std::string* out, std::string_view text) {
  AppendVarint(out, text.size());
  out->append(text);
}

// Reads untrusted bytes: after the first failure ok() is false and everything
// reads as zero or empty.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : begin_(bytes.data()), at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool ok() const { return at_ != nullptr; }
  bool done() const { return at_ == end_ || !ok(); }
  std::size_t left() const {
    return ok() ? static_cast<std::size_t>(end_ - at_) : 0;
  }
  std::size_t offset() const {
    return ok() ? static_cast<std::size_t>(at_ - begin_) : 0;
  }
  void Fail() { at_ = end_ = nullptr; }

  // NOLINTBEGIN(clang-analyzer-core.NullDereference): something is left
  std::uint8_t Byte() {
    if (left() < 1) return Fail(), std::uint8_t{0};
    return static_cast<std::uint8_t>(*at_++);
  }
  // NOLINTEND(clang-analyzer-core.NullDereference)
  template <std::unsigned_integral T>
  T Fixed() {
    T v = 0;
    if (left() < sizeof v) return Fail(), v;
    std::memcpy(&v, at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  std::uint64_t Varint() {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): something is left
    if (left() > 0 && static_cast<std::uint8_t>(*at_) < 0x80) {
      return static_cast<std::uint8_t>(*at_++);
    }
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = Byte();
      if (shift == 63 && b > 1) break;  // more than 64 bits
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    return Fail(), std::uint64_t{0};
  }
  // A varint that is at most `limit`.
  std::uint64_t Bounded(std::uint64_t limit) {
    const std::uint64_t v = Varint();
    if (v > limit) return Fail(), std::uint64_t{0};
    return v;
  }
  std::int64_t Signed() { return UnZigZag(Varint()); }
  std::string_view Bytes(std::size_t n) {
    if (left() < n || !ok()) return Fail(), std::string_view();
    const std::string_view v(at_, n);
    at_ += n;
    return v;
  }
  std::string_view Text() { return Bytes(Bounded(left())); }

 private:
  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace fodc::recorder
