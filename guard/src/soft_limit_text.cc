// SPDX-License-Identifier: Apache-2.0
// How a soft limit is written, and where it comes from.
#include <string>

#include "edge.h"
#include "environment.h"
#include "fodc/base/strings.h"
#include "fodc/guard/soft_limit.h"

namespace fodc::guard {
namespace {

// Go's syntax wants a suffix of bytes or none, and "B" is one.
Result<std::uint64_t> ParseGoBytes(std::string_view text) {
  std::string_view number = text;
  if (number.ends_with("B") && number.size() > 1 &&
      number[number.size() - 2] >= '0' && number[number.size() - 2] <= '9') {
    number.remove_suffix(1);
  }
  for (const std::string_view unit : {"KiB", "MiB", "GiB", "TiB"}) {
    if (number.ends_with(unit)) return ParseBytes(number);
  }
  if (ParseUint(number)) return ParseBytes(number);
  return InvalidArgument("");
}

}  // namespace

Result<SoftLimit> ParseSoftLimit(std::string_view text) noexcept {
  return AtEdge([text]() -> Result<SoftLimit> {
    const auto bad = [text] {
      return InvalidArgument(StrCat("soft limit \"", text.substr(0, 64),
                                    "\" is none of off, 1800MiB (B, KiB, MiB, "
                                    "GiB, TiB) or 72% (1 to 100)"));
    };
    SoftLimit limit;
    std::string_view value = Trim(text);
    if (value.empty() || value == "off") {
      limit.kind = SoftLimit::Kind::kOff;
      return limit;
    }
    if (value.ends_with('%')) {
      value.remove_suffix(1);
      const std::optional<double> percent = ParseDouble(value);
      if (!percent || !(*percent >= 1 && *percent <= 100)) return bad();
      limit.kind = SoftLimit::Kind::kPercent;
      limit.percent = *percent;
      return limit;
    }
    const Result<std::uint64_t> bytes = ParseGoBytes(value);
    if (!bytes.ok() || *bytes == 0) return bad();
    limit.kind = SoftLimit::Kind::kBytes;
    limit.bytes = *bytes;
    return limit;
  });
}

Result<SoftLimit> ChooseSoftLimit(std::optional<std::string_view> command_line,
                                  std::optional<std::string_view> configuration,
                                  std::string_view prefix) noexcept {
  return AtEdge([&]() -> Result<SoftLimit> {
    if (command_line) {
      return ParseSoftLimit(*command_line).WithContext("command line");
    }
    const std::string name = StrCat(prefix, "_MEMORY_SOFT_LIMIT");
    const char* environment = ReadVariable(name.c_str());
    if (environment != nullptr) {
      return ParseSoftLimit(environment).WithContext(name);
    }
    if (!configuration) return SoftLimit();
    return ParseSoftLimit(*configuration).WithContext("configuration");
  });
}

}  // namespace fodc::guard
