// SPDX-License-Identifier: Apache-2.0
// Which file's code lies where in a process, so that a reader elsewhere can
// name its addresses. Usable where nothing may be allocated and no lock taken.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fodc::pprof {

inline constexpr std::size_t kMaxBuildIdBytes = 32;
inline constexpr std::size_t kMaxMappingPathBytes = 191;

// Executable memory from `start` to before `limit`. Of fixed size: it also lies
// in the table of heap samples, and its layout is part of that format.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;
  std::uint64_t file_offset = 0;
  std::uint16_t path_bytes = 0;
  std::uint8_t build_id_bytes = 0;  // 0: not known
  std::array<std::uint8_t, 5> reserved = {};
  std::array<std::uint8_t, kMaxBuildIdBytes> build_id_data = {};
  // The end is cut off; "" for memory of no file.
  std::array<char, kMaxMappingPathBytes + 1> path_data = {};

  std::string_view path() const { return {path_data.data(), path_bytes}; }
  std::span<const std::uint8_t> build_id() const {
    return {build_id_data.data(), build_id_bytes};
  }
  bool Contains(std::uint64_t address) const {
    return address >= start && address < limit;
  }
};
static_assert(sizeof(Mapping) == 256);

// Lower case hexadecimal.
std::string BuildIdText(const Mapping& m);

// A line of /proc/<pid>/maps (proc(5)) as a mapping without a build id, and the
// file's inode. Nothing if it is no such line or not executable. Allocates
// nothing.
struct MapsLine {
  Mapping mapping;
  std::uint64_t inode = 0;
};
std::optional<MapsLine> ParseMapsLine(std::string_view line);

// The GNU build id of an ELF file: its length, or 0 if it has none, is another
// inode than `inode`, or cannot be read. Allocates nothing, takes no lock.
std::size_t ReadBuildId(const char* path, std::uint64_t inode,
                        std::span<std::uint8_t, kMaxBuildIdBytes> out);

// The executable mappings of the text at `maps_path` ("/proc/self/maps"), in
// order of address, with build ids. Those beyond `out` are counted only.
// `count` is 0 if the file cannot be read. Allocates nothing, takes no lock,
// keeps errno.
struct MappingCount {
  std::size_t count = 0;     // in `out`
  std::size_t left_out = 0;  // for which there was no place
};
MappingCount ReadMappings(const char* maps_path, std::span<Mapping> out);

// The one that holds `address`, or null. `mappings` are in order of address.
const Mapping* FindMapping(std::span<const Mapping> mappings,
                           std::uint64_t address);

}  // namespace fodc::pprof
