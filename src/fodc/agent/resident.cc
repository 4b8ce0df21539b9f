// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/resident.h"

#include <malloc.h>
#include <sys/mman.h>

#include <charconv>
#include <cstdint>
#include <string_view>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

struct Mapping {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool is_code = false;  // of a file, as ...
  bool is_data = false;  // ... read-only data
};

// "7f00-8f00 r-xp 00000000 08:01 1234   /usr/lib/libc.so.6": the head of a
// mapping. False for the lines that describe it ("Rss:   4 kB").
bool ParseHead(std::string_view line, Mapping* mapping) {
  const char* const last = line.data() + line.size();
  Mapping head;
  auto at = std::from_chars(line.data(), last, head.begin, 16);
  if (at.ec != std::errc() || at.ptr == last || *at.ptr != '-') return false;
  at = std::from_chars(at.ptr + 1, last, head.end, 16);
  if (at.ec != std::errc()) return false;
  const std::string_view rest(at.ptr, static_cast<std::size_t>(last - at.ptr));
  if (rest.find(" /") != std::string_view::npos) {
    head.is_code = rest.starts_with(" r-xp ");
    head.is_data = rest.starts_with(" r--p ");
  }
  *mapping = head;
  return true;
}

}  // namespace

std::size_t ReleaseIdlePages(IdlePages what) {
  std::size_t bytes = 0;
  Mapping mapping;
  if (const auto maps = ReadFile("/proc/self/smaps"); maps.ok()) {
    for (std::string_view line : Split(*maps, '\n')) {
      if (ParseHead(line, &mapping)) continue;
      if (!mapping.is_code &&
          !(mapping.is_data && what == IdlePages::kCodeAndTables))
        continue;
      // Pages that differ from the file (relocated tables, break-points) would
      // be lost: a mapping is dropped only if it has none.
      if (!ConsumePrefix(&line, "Anonymous:") || Trim(line) != "0 kB") continue;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what smaps gives
      if (::madvise(reinterpret_cast<void*>(mapping.begin),
                    mapping.end - mapping.begin, MADV_DONTNEED) == 0)
        bytes += mapping.end - mapping.begin;
    }
  }
  (void)::malloc_trim(0);
  return bytes;
}

}  // namespace fodc::agent
