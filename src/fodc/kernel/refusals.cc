// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/refusals.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

std::string_view ReasonOf(const Status& status) {
  switch (status.code()) {
    case Code::kPermissionDenied:
      return "no_permission";
    case Code::kResourceExhausted:
      return "no_memory";
    case Code::kNotFound:
      return "no_tracepoint";
    default:
      return "refused";
  }
}

}  // namespace

void Refusals::Add(std::string_view name, const Status& status) {
  Add(name, {ReasonOf(status), status.message()});
}

void Refusals::Tell(const ObjectSpec& spec, FamilyState* state) const {
  std::vector<std::pair<std::string_view, std::string>> told;
  const auto tell = [&](std::string_view program) {
    const auto why = all_.find(program);
    if (why == all_.end()) return;
    if (state->reason.empty()) state->reason = why->second.reason;
    const std::string_view detail = why->second.detail;
    const auto same =
        std::find_if(told.begin(), told.end(),
                     [&](const auto& t) { return t.first == detail; });
    if (same == told.end()) {
      told.emplace_back(detail, program);
    } else if (same->second.find(program) == std::string::npos) {
      same->second += StrCat(", ", program);
    }
  };
  for (const ProgramSpec& p : spec.programs) tell(p.name);
  for (const std::string_view p : spec.gate_programs) tell(p);
  // Parts of the gate are refused by their own name.
  tell(spec.stem);
  for (const auto& [detail, names] : told) {
    if (!state->detail.empty()) state->detail += "; ";
    state->detail += StrCat(names, ": ", detail);
  }
}

}  // namespace fodc::kernel
