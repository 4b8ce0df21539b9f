// SPDX-License-Identifier: Apache-2.0
// Schedules from anybody, at any time of a zone whose clock goes back and
// forth. The first four bytes are the time.
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "fodc/backup/schedule.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  ::tzset();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc;
  std::uint32_t seconds = 0;
  if (size < sizeof seconds) return 0;
  std::memcpy(&seconds, data, sizeof seconds);
  const std::string_view text(
      reinterpret_cast<const char*>(data) + sizeof seconds,
      size - sizeof seconds);
  const auto schedule = backup::Schedule::Parse(text);
  if (!schedule.ok()) return 0;
  if (schedule->zone().find('\0') != std::string::npos) std::abort();
  UnixTime at{std::chrono::seconds(seconds)};
  for (int i = 0; i < 3; ++i) {
    const auto next = schedule->Next(at);
    if (!next) return 0;
    // It goes on, and no farther than is said.
    if (*next <= at || *next - at > std::chrono::hours(24 * 366 * 5 + 1))
      std::abort();
    at = *next;
  }
  return 0;
}
