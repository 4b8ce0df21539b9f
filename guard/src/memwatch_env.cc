// SPDX-License-Identifier: Apache-2.0
// The watchdog's environment. Names and syntax are those of elastickv, for
// whoever moves from it; a typo never stops a process.
#include <optional>
#include <string>

#include "edge.h"
#include "environment.h"
#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"

namespace fodc::guard {
namespace {

constexpr std::uint64_t kBytesPerMib = 1u << 20;
constexpr std::uint64_t kMaxMib = UINT64_MAX / kBytesPerMib;
constexpr std::chrono::seconds kDefaultInterval{1};

void Warn(const EventSink& events, std::string_view name,
          std::string_view value, std::string_view instead) {
  const EventField fields[] = {
      {"name", name}, {"value", value.substr(0, 100)}, {"instead", instead}};
  Tell(events, {EventLevel::kWarn, "bad value in the environment", fields});
}

void ReadThreshold(const std::string& name, MemwatchOptions* options) {
  const char* text = ReadVariable(name.c_str());
  if (text == nullptr) return;
  options->hard = {};
  const std::string_view value = Trim(text);
  if (value.empty()) return;
  const std::optional<std::uint64_t> mib = ParseUint(value);
  if (!mib || *mib > kMaxMib) {
    Warn(options->events, name, value, "off");
    return;
  }
  options->hard.bytes = *mib * kBytesPerMib;
}

void ReadInterval(const std::string& name, MemwatchOptions* options) {
  const char* text = ReadVariable(name.c_str());
  if (text == nullptr) return;
  const std::string_view value = Trim(text);
  if (value.empty()) return;
  const auto interval = ParseGoDuration(value);
  if (interval.ok() && *interval > std::chrono::nanoseconds(0)) {
    options->poll_interval = *interval;
    return;
  }
  Warn(options->events, name, value, "1s");
  options->poll_interval = kDefaultInterval;
}

}  // namespace

void ReadMemwatchEnvironment(MemwatchOptions* options,
                             std::string_view prefix) noexcept {
  Quietly([&] {
    ReadThreshold(StrCat(prefix, "_MEMORY_SHUTDOWN_THRESHOLD_MB"), options);
    ReadInterval(StrCat(prefix, "_MEMORY_SHUTDOWN_POLL_INTERVAL"), options);
  });
}

}  // namespace fodc::guard
