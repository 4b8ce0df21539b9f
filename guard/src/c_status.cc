// SPDX-License-Identifier: Apache-2.0
#include "c_status.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "fodc/guard/c/status.h"

namespace {

constexpr std::size_t kTextBytes = 1024;
thread_local char last_error[kTextBytes];

}  // namespace

namespace fodc::guard {

int ToCode(const Status& status) noexcept {
  if (status.ok()) return FODC_GUARD_OK;
  // What comes from a place that has no memory for words has none.
  const std::string_view text = status.message().empty()
                                    ? CodeName(status.code())
                                    : std::string_view(status.message());
  const std::size_t n = std::min(text.size(), kTextBytes - 1);
  std::copy_n(text.data(), n, last_error);
  last_error[n] = '\0';
  return static_cast<int>(status.code());
}

}  // namespace fodc::guard

extern "C" const char* fodc_guard_last_error(void) { return last_error; }

extern "C" const char* fodc_guard_code_name(int code) {
  using fodc::Code;
  if (code < 0 || code > static_cast<int>(Code::kUnauthenticated)) {
    code = static_cast<int>(Code::kUnknown);
  }
  // Literals: they end in a zero.
  return fodc::CodeName(static_cast<Code>(code)).data();
}
