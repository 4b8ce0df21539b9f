// SPDX-License-Identifier: Apache-2.0
// gMock matchers for Status and Result<T>. For tests only.
#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <type_traits>

#include "fodc/base/status.h"

namespace fodc {

inline void PrintTo(const Status& s, std::ostream* os) { *os << s.ToString(); }
template <typename T>
void PrintTo(const Result<T>& r, std::ostream* os) {
  *os << (r.ok() ? "a value" : r.status().ToString());
}

namespace testing_internal {
inline const Status& AsStatus(const Status& s) { return s; }
template <typename T>
const Status& AsStatus(const Result<T>& r) {
  return r.status();
}
}  // namespace testing_internal

// A Status or Result that succeeded.
MATCHER(IsOk, "is OK") {
  *result_listener << testing_internal::AsStatus(arg).ToString();
  return arg.ok();
}

// A failure with this code and a message that matches.
MATCHER_P2(StatusIs, code, message_matcher,
           std::string("has code ") + std::string(CodeName(code))) {
  const Status& s = testing_internal::AsStatus(arg);
  *result_listener << s.ToString();
  return s.code() == code && ::testing::ExplainMatchResult(
                                 message_matcher, s.message(), result_listener);
}

// A Result that holds a value that matches.
MATCHER_P(IsOkAndHolds, value_matcher, "holds a matching value") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value_matcher, *arg, result_listener);
}

}  // namespace fodc
