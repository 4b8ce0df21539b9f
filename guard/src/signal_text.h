// SPDX-License-Identifier: Apache-2.0
// Fatal signals and their causes in words. Async-signal-safe, unlike
// strsignal(3). sigaction(2), section on si_code.
#pragma once

#include <string_view>

namespace fodc::guard {

// "SIGSEGV"; "signal" for one that is no fatal one.
std::string_view SignalName(int number);

// "address not mapped" of SIGSEGV with SEGV_MAPERR; "sent by kill" and so on;
// empty if it has no word here.
std::string_view SignalCause(int number, int code);

// Whether si_addr tells what was accessed or executed.
bool HasFaultAddress(int number, int code);

}  // namespace fodc::guard
