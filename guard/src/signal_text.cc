// SPDX-License-Identifier: Apache-2.0
#include "signal_text.h"

#include <csignal>

namespace fodc::guard {
namespace {

struct Cause {
  int number;
  int code;
  std::string_view text;
};

constexpr Cause kCauses[] = {
    {SIGSEGV, SEGV_MAPERR, "address not mapped"},
    {SIGSEGV, SEGV_ACCERR, "no permission for the mapping"},
    {SIGSEGV, SI_KERNEL, "address not canonical"},
    {SIGBUS, BUS_ADRALN, "address not aligned"},
    {SIGBUS, BUS_ADRERR, "no memory or file behind the address"},
    {SIGBUS, BUS_OBJERR, "hardware error of the object"},
    {SIGBUS, BUS_MCEERR_AR, "memory error, needed now"},
    {SIGBUS, BUS_MCEERR_AO, "memory error, found in the background"},
    {SIGILL, ILL_ILLOPC, "illegal opcode"},
    {SIGILL, ILL_ILLOPN, "illegal operand"},
    {SIGILL, ILL_PRVOPC, "privileged opcode"},
    {SIGFPE, FPE_INTDIV, "integer division by zero"},
    {SIGFPE, FPE_INTOVF, "integer overflow"},
    {SIGFPE, FPE_FLTDIV, "floating-point division by zero"},
    {SIGFPE, FPE_FLTOVF, "floating-point overflow"},
    {SIGFPE, FPE_FLTINV, "invalid floating-point operation"},
    {SIGSYS, 1 /* SYS_SECCOMP */, "system call refused by seccomp"},
    {SIGTRAP, TRAP_BRKPT, "breakpoint"},
    {SIGTRAP, TRAP_TRACE, "single step"},
    {SIGTRAP, SI_KERNEL, "breakpoint"},
};

}  // namespace

std::string_view SignalName(int number) {
  switch (number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    case SIGABRT:
      return "SIGABRT";
    case SIGSYS:
      return "SIGSYS";
    case SIGTRAP:
      return "SIGTRAP";
    default:
      return "signal";
  }
}

std::string_view SignalCause(int number, int code) {
  if (code == SI_USER) return "sent by kill";
  if (code == SI_TKILL) return "sent by a thread";
  if (code == SI_QUEUE) return "sent by sigqueue";
  for (const Cause& c : kCauses) {
    if (c.number == number && c.code == code) return c.text;
  }
  return {};
}

bool HasFaultAddress(int number, int code) {
  return code > 0 && code != SI_KERNEL && number != SIGABRT && number != SIGSYS;
}

}  // namespace fodc::guard
