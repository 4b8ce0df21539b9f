// SPDX-License-Identifier: Apache-2.0
// The bytes of a segment (docs/formats/wal.md). All numbers are little-endian.
// For this room and its tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/wal/wal.h"

namespace fodc::wal {

inline constexpr std::string_view kMagic = "FODCWAL\n";
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 29;
inline constexpr std::size_t kRecordHeaderBytes = 24;
inline constexpr std::size_t kRecordTrailerBytes = 5;
static_assert(kRecordHeaderBytes + kRecordTrailerBytes == kRecordOverheadBytes);

// The last byte of a segment header and of a record. No single flipped bit
// makes it zero, so a zero there says that the write never got so far.
inline constexpr char kEndMark = '\xa5';

// The segment's flag: what had this name was set aside, records are missing.
inline constexpr std::uint16_t kSetAside = 1;

struct SegmentHeader {
  std::uint16_t version = kVersion;
  std::uint16_t flags = 0;
  std::uint32_t salt = 0;
  std::uint64_t first_sequence = 0;
};

struct RecordHeader {
  std::uint32_t length_bytes = 0;
  std::uint16_t kind = 0;
  std::uint16_t flags = 0;  // 0 in version 1
  std::uint64_t sequence = 0;
  std::uint32_t salt = 0;
  std::uint32_t checksum = 0;  // of the bytes before it
};

std::array<char, kSegmentHeaderBytes> EncodeSegmentHeader(
    const SegmentHeader& h);
// Sets the checksum in `*h`, too.
std::array<char, kRecordHeaderBytes> EncodeRecordHeader(RecordHeader* h);
std::array<char, kRecordTrailerBytes> EncodeRecordTrailer(
    std::uint32_t header_checksum, std::string_view payload);

// Nothing if magic or checksum are wrong. `bytes` holds at least the header
// (its end mark is not looked at).
std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);
// Nothing if the checksum is wrong. `bytes` holds at least the header.
std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes);
// Whether the trailer's checksum fits. `trailer` has kRecordTrailerBytes.
bool TrailerFits(std::uint32_t header_checksum, std::string_view payload,
                 std::string_view trailer);

// "00000000000000ff.wal"
std::string SegmentName(std::uint64_t first_sequence);
// Nothing if it is not exactly such a name.
std::optional<std::uint64_t> ParseSegmentName(std::string_view name);

}  // namespace fodc::wal
