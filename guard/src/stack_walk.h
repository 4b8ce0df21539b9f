// SPDX-License-Identifier: Apache-2.0
// The stack of the calling thread, also from within a signal handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "modules.h"

namespace fodc::guard {

// Fills `frames` with the addresses of the calls on this thread's stack, the
// innermost first, and returns how many. An address lies in the instruction
// that made the call (that faulted, below a signal), not behind it.
//
// By libgcc's unwinder over the tables (.eh_frame) that g++ and clang put into
// every program: frame pointers would need code that was built with them,
// which neither Debian's libraries nor a database's release are. It is
// async-signal-safe where it runs warm: it takes no lock and allocates nothing
// (glibc 2.35 and libgcc 12 find a table by _dl_find_object, which promises
// it), and what it needs once is done by a first walk when arming. It reads
// the stack unchecked: whoever calls it on a thread that may have overwritten
// its own must be ready for a fault.
std::size_t WalkStack(std::span<std::uintptr_t> frames);

// The stack that the signal interrupted: `context` is the handler's third
// argument, and this is called from within that handler. A jump to where no
// code is (a null function, a wild one) counts as a call: the stack goes on
// with who made it; without `modules` that is not looked for. While this
// runs, `context` may be changed.
std::size_t WalkInterruptedStack(void* context, const ModuleTable* modules,
                                 std::span<std::uintptr_t> frames);

// Of a stack that goes on behind `inner`, which WalkInterruptedStack gave on
// this thread: its outermost calls, in the same order, in `outer`. Returns how
// many;
// `*between` are in neither. 0 if it does not go on, or for 200,000 calls and
// more.
std::size_t WalkOuterStack(std::span<const std::uintptr_t> inner,
                           std::span<std::uintptr_t> outer,
                           std::size_t* between);

// The instruction that the signal interrupted; 0 on a machine unknown here.
std::uintptr_t InterruptedPc(const void* context);

}  // namespace fodc::guard
