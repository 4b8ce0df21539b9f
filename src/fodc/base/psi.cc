// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/psi.h"

#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

bool TakeAverage(std::string_view* line, std::string_view key, double* out) {
  std::string_view field = NextField(line);
  if (!ConsumePrefix(&field, key)) return false;
  const std::optional<double> v = ParseDouble(field);
  if (!v || !(*v >= 0)) return false;
  *out = *v;
  return true;
}

bool ParseLine(std::string_view line, PressureLine* out) {
  if (!TakeAverage(&line, "avg10=", &out->avg10_percent) ||
      !TakeAverage(&line, "avg60=", &out->avg60_percent) ||
      !TakeAverage(&line, "avg300=", &out->avg300_percent)) {
    return false;
  }
  std::string_view field = NextField(&line);
  if (!ConsumePrefix(&field, "total=")) return false;
  const std::optional<std::uint64_t> total = ParseUint(field);
  if (!total) return false;
  out->total_us = *total;
  return true;
}

}  // namespace

Result<Pressure> ParsePressure(std::string_view text) {
  Pressure p;
  std::string_view line;
  while (NextLine(&text, &line)) {
    const std::string_view name = NextField(&line);
    std::optional<PressureLine>* out = name == "some"   ? &p.some
                                       : name == "full" ? &p.full
                                                        : nullptr;
    if (out == nullptr) continue;
    if (!ParseLine(line, &out->emplace())) {
      return DataLoss(StrCat("pressure line \"", name, "\" is not understood"));
    }
  }
  if (!p.some && !p.full) return DataLoss("no pressure line");
  return p;
}

}  // namespace fodc
