// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/format.h"

#include <concepts>

#include "fodc/base/crc32c.h"

namespace fodc::wal {
namespace {

constexpr std::string_view kSuffix = ".wal";

template <std::unsigned_integral T>
void Put(char* at, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(v >> (8 * i) & 0xff);
  }
}

template <std::unsigned_integral T>
T Get(const char* at) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const auto byte = static_cast<T>(static_cast<unsigned char>(at[i]));
    v = static_cast<T>(v | static_cast<T>(byte << (8 * i)));
  }
  return v;
}

}  // namespace

std::array<char, kSegmentHeaderBytes> EncodeSegmentHeader(
    const SegmentHeader& h) {
  std::array<char, kSegmentHeaderBytes> out{};
  kMagic.copy(out.data(), kMagic.size());
  Put<std::uint16_t>(out.data() + 8, h.version);
  Put<std::uint16_t>(out.data() + 10, h.flags);
  Put<std::uint32_t>(out.data() + 12, h.salt);
  Put<std::uint64_t>(out.data() + 16, h.first_sequence);
  Put<std::uint32_t>(out.data() + 24, Crc32c({out.data(), 24}));
  out[28] = kEndMark;
  return out;
}

std::array<char, kRecordHeaderBytes> EncodeRecordHeader(RecordHeader* h) {
  std::array<char, kRecordHeaderBytes> out{};
  Put<std::uint32_t>(out.data(), h->length_bytes);
  Put<std::uint16_t>(out.data() + 4, h->kind);
  Put<std::uint16_t>(out.data() + 6, h->flags);
  Put<std::uint64_t>(out.data() + 8, h->sequence);
  Put<std::uint32_t>(out.data() + 16, h->salt);
  h->checksum = Crc32c({out.data(), 20});
  Put<std::uint32_t>(out.data() + 20, h->checksum);
  return out;
}

std::array<char, kRecordTrailerBytes> EncodeRecordTrailer(
    std::uint32_t header_checksum, std::string_view payload) {
  std::array<char, kRecordTrailerBytes> out{};
  Put<std::uint32_t>(out.data(), ExtendCrc32c(header_checksum, payload));
  out[4] = kEndMark;
  return out;
}

std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic)) {
    return {};
  }
  if (Get<std::uint32_t>(bytes.data() + 24) != Crc32c(bytes.substr(0, 24))) {
    return {};
  }
  SegmentHeader h;
  h.version = Get<std::uint16_t>(bytes.data() + 8);
  h.flags = Get<std::uint16_t>(bytes.data() + 10);
  h.salt = Get<std::uint32_t>(bytes.data() + 12);
  h.first_sequence = Get<std::uint64_t>(bytes.data() + 16);
  return h;
}

std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) return {};
  RecordHeader h;
  h.checksum = Get<std::uint32_t>(bytes.data() + 20);
  if (h.checksum != Crc32c(bytes.substr(0, 20))) return {};
  h.length_bytes = Get<std::uint32_t>(bytes.data());
  h.kind = Get<std::uint16_t>(bytes.data() + 4);
  h.flags = Get<std::uint16_t>(bytes.data() + 6);
  h.sequence = Get<std::uint64_t>(bytes.data() + 8);
  h.salt = Get<std::uint32_t>(bytes.data() + 16);
  return h;
}

bool TrailerFits(std::uint32_t header_checksum, std::string_view payload,
                 std::string_view trailer) {
  return Get<std::uint32_t>(trailer.data()) ==
         ExtendCrc32c(header_checksum, payload);
}

std::string SegmentName(std::uint64_t first_sequence) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 16; i-- > 0; first_sequence >>= 4) {
    name[i] = kHex[first_sequence & 15];
  }
  return name.append(kSuffix);
}

std::optional<std::uint64_t> ParseSegmentName(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return {};
  std::uint64_t v = 0;
  for (const char c : name.substr(0, 16)) {
    if (c >= '0' && c <= '9') {
      v = v << 4 | static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      v = v << 4 | static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return {};
    }
  }
  return v;
}

}  // namespace fodc::wal
