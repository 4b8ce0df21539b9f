// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/wire.h"

namespace fodc::pprof {
namespace {

enum WireType : std::uint64_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kFixed32 = 5,
};

std::optional<std::uint64_t> TakeFixed(std::string_view* rest,
                                       std::size_t size) {
  if (rest->size() < size) return {};
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>((*rest)[i]);
  }
  rest->remove_prefix(size);
  return value;
}

}  // namespace

void WireMessage::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void WireMessage::Uint(std::uint32_t field, std::uint64_t value) {
  if (value != 0) Item(field, value);
}

void WireMessage::Item(std::uint32_t field, std::uint64_t value) {
  Varint(std::uint64_t{field} << 3 | kVarint);
  Varint(value);
}

void WireMessage::Bytes(std::uint32_t field, std::string_view value) {
  Varint(std::uint64_t{field} << 3 | kLengthDelimited);
  Varint(value.size());
  bytes_.append(value);
}

std::optional<std::uint64_t> TakeLongVarint(std::string_view* rest) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < rest->size() && i < kMaxVarintBytes; ++i) {
    const auto byte = static_cast<unsigned char>((*rest)[i]);
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      rest->remove_prefix(i + 1);
      return value;
    }
  }
  return {};
}

std::optional<WireField> TakeField(std::string_view* rest, bool* ok) {
  *ok = true;
  if (rest->empty()) return {};
  *ok = false;
  const std::optional<std::uint64_t> tag = TakeVarint(rest);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1fffffff) return {};
  WireField field;
  field.number = static_cast<std::uint32_t>(*tag >> 3);
  std::optional<std::uint64_t> value;
  switch (*tag & 7) {
    case kVarint:
      value = TakeVarint(rest);
      break;
    case kFixed64:
      value = TakeFixed(rest, 8);
      break;
    case kFixed32:
      value = TakeFixed(rest, 4);
      break;
    case kLengthDelimited:
      value = TakeVarint(rest);
      if (!value || *value > rest->size()) return {};
      field.is_bytes = true;
      field.bytes = rest->substr(0, *value);
      rest->remove_prefix(*value);
      break;
    default:
      return {};
  }
  if (!value) return {};
  field.value = *value;
  *ok = true;
  return field;
}

}  // namespace fodc::pprof
