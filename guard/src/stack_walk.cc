// SPDX-License-Identifier: Apache-2.0
#include "stack_walk.h"

#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>

namespace fodc::guard {
namespace {

#if defined(__x86_64__)
using Register = greg_t;
Register* Pc(ucontext_t* u) { return &u->uc_mcontext.gregs[REG_RIP]; }
Register* Sp(ucontext_t* u) { return &u->uc_mcontext.gregs[REG_RSP]; }
#elif defined(__aarch64__)
using Register = unsigned long long;
Register* Pc(ucontext_t* u) { return &u->uc_mcontext.pc; }
Register* Sp(ucontext_t* u) { return &u->uc_mcontext.sp; }
#endif

struct Walk {
  std::span<std::uintptr_t> frames;
  std::size_t size = 0;
};

// Some tenths of a second.
constexpr std::size_t kMaxWalked = 200'000;

// 0 at the end of the stack.
std::uintptr_t CallOf(_Unwind_Context* context) {
  int is_before_instruction = 0;
  const std::uintptr_t ip = _Unwind_GetIPInfo(context, &is_before_instruction);
  return ip == 0 || is_before_instruction != 0 ? ip : ip - 1;
}

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  const std::uintptr_t call = CallOf(context);
  if (call == 0 || walk.size == walk.frames.size()) return _URC_END_OF_STACK;
  walk.frames[walk.size++] = call;
  return _URC_NO_REASON;
}

struct OuterWalk {
  std::span<const std::uintptr_t> inner;
  std::span<std::uintptr_t> outer;  // a ring
  std::size_t seen = 0;             // from the first of `inner` on
};

_Unwind_Reason_Code AddOuterFrame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<OuterWalk*>(argument);
  const std::uintptr_t call = CallOf(context);
  if (call == 0 || walk.seen == kMaxWalked) return _URC_END_OF_STACK;
  if (walk.seen == 0 && call != walk.inner.front()) return _URC_NO_REASON;
  if (walk.seen >= walk.inner.size()) {
    walk.outer[(walk.seen - walk.inner.size()) % walk.outer.size()] = call;
  }
  ++walk.seen;
  return _URC_NO_REASON;
}

#if defined(__x86_64__) || defined(__aarch64__)
// By the kernel, which answers a bad address with an error, not with a signal.
bool ReadWord(std::uintptr_t address, std::uintptr_t* word) {
  iovec local{word, sizeof(*word)};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of this process
  iovec remote{reinterpret_cast<void*>(address), sizeof(*word)};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(sizeof(*word));
}

// Where a call to an address without code came from; 0 if that is not known.
std::uintptr_t CallerOf(ucontext_t* u) {
#if defined(__x86_64__)
  std::uintptr_t word = 0;
  return ReadWord(static_cast<std::uintptr_t>(*Sp(u)), &word) ? word : 0;
#else
  return u->uc_mcontext.regs[30];
#endif
}
#endif

}  // namespace

std::size_t WalkStack(std::span<std::uintptr_t> frames) {
  Walk walk{frames};
  (void)_Unwind_Backtrace(AddFrame, &walk);
  return walk.size;
}

std::size_t WalkOuterStack(std::span<const std::uintptr_t> inner,
                           std::span<std::uintptr_t> outer,
                           std::size_t* between) {
  *between = 0;
  if (inner.empty()) return 0;
  OuterWalk walk{inner, outer};
  (void)_Unwind_Backtrace(AddOuterFrame, &walk);
  if (walk.seen <= inner.size() || walk.seen == kMaxWalked) return 0;
  const std::size_t further = walk.seen - inner.size();
  if (further <= outer.size()) return further;
  *between = further - outer.size();
  std::rotate(
      outer.begin(),
      outer.begin() + static_cast<std::ptrdiff_t>(further % outer.size()),
      outer.end());
  return outer.size();
}

#if defined(__x86_64__) || defined(__aarch64__)

std::uintptr_t InterruptedPc(const void* context) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): only read
  auto* u = static_cast<ucontext_t*>(const_cast<void*>(context));
  return static_cast<std::uintptr_t>(*Pc(u));
}

std::size_t WalkInterruptedStack(void* context, const ModuleTable* modules,
                                 std::span<std::uintptr_t> frames) {
  auto* u = static_cast<ucontext_t*>(context);
  const std::uintptr_t pc = InterruptedPc(context);
  const Register saved_pc = *Pc(u);
  const Register saved_sp = *Sp(u);
  std::size_t kept = 0;
  std::uintptr_t start = pc;
  if (modules != nullptr && modules->Find(pc) == nullptr) {
    const std::uintptr_t caller = CallerOf(u);
    if (modules->Find(caller) != nullptr) {
      // The unwinder cannot begin where there is no table. It begins in the
      // call instead: as if that had not been made yet.
      frames[kept++] = pc;
      start = caller - 1;
      *Pc(u) = static_cast<Register>(start);
#if defined(__x86_64__)
      *Sp(u) += static_cast<Register>(sizeof(std::uintptr_t));
#endif
    }
  }
  const std::size_t size = kept + WalkStack(frames.subspan(kept));
  *Pc(u) = saved_pc;
  *Sp(u) = saved_sp;
  // What is above the interrupted frame is the handler.
  const auto begin = frames.begin() + static_cast<std::ptrdiff_t>(kept);
  const auto end = frames.begin() + static_cast<std::ptrdiff_t>(size);
  const auto first = std::find(begin, end, start);
  if (first == end) {
    // The tables do not lead there: at least where it was is known.
    frames[0] = pc;
    return 1;
  }
  return static_cast<std::size_t>(std::copy(first, end, begin) -
                                  frames.begin());
}

#else

std::uintptr_t InterruptedPc(const void*) { return 0; }

std::size_t WalkInterruptedStack(void*, const ModuleTable*,
                                 std::span<std::uintptr_t> frames) {
  return WalkStack(frames);
}

#endif

}  // namespace fodc::guard
