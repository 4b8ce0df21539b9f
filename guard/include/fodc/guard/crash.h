// SPDX-License-Identifier: Apache-2.0
// Evidence of a death by a fatal signal or std::terminate: the directory
// <root>/<YYYYMMDDTHHMMSS.nnnnnnnnnZ>-<component>-<pid>/ with panic.json
// (docs/formats/panic.md). Exceptions caught at the borders of tasks: panic.h.
//
//   int main() {
//     fodc::guard::CrashOptions crash;
//     crash.directory = "/var/lib/node/crash";
//     crash.component = "node";
//     (void)fodc::guard::ArmCrashHandler(crash);  // first thing in main
//
// Does not see: SIGKILL (so the kernel's out-of-memory kill), _exit, a stack
// overflow on a thread that has no alternate stack (CoverThisThread), and a
// fault on a thread that blocks its signal: the kernel ends the process then.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/guard/event.h"

namespace fodc::guard {

struct CrashOptions {
  // Root of the artifacts, made if need be (0755); a relative path is of the
  // directory in which the process is when it arms.
  std::string directory = "crash";
  // In the record and in the directory's name. Empty: the program's name.
  std::string component = {};
  // The newest so many directories that hold a panic.json stay, when armed and
  // after a record was written; 0: all.
  std::size_t max_artifacts = 10;
  // Beside pid, executable, build_id, host, kernel and started_at, which are
  // always there. Later ones of the same key win.
  std::vector<std::pair<std::string, std::string>> metadata = {};
  // SIGTRAP too. Debuggers want it for themselves.
  bool handle_sigtrap = false;
  // All threads together have so long to tell their stacks. Those that block
  // the signal are not waited for.
  std::chrono::milliseconds thread_wait{1000};
  // By which threads are asked for their stacks: a real-time signal that
  // nobody else uses and no thread blocks. 0: the highest that is free.
  int thread_signal = 0;
  // Disk space held for the record while the process lives (an unlinked file
  // in `directory`), so that a full disk leaves evidence too. 0: none.
  std::size_t reserve_bytes = std::size_t{256} << 10;
  // Memory held likewise, and given back for the record: at the limit of a
  // cgroup no other is to be had. Beside it the handler keeps half a megabyte,
  // and 16 KiB of each alternate stack. 0: none.
  std::size_t memory_reserve_bytes = std::size_t{512} << 10;
  EventSink sink = {};  // used while arming only
};

// Installs the handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS
// and of std::terminate, and prepares all that they need. Costs a millisecond
// or so, and depends on no other object: it may run before main.
//
// When the process dies, the stacks of all threads are taken and the record is
// written; then the handlers that were there before get the same signal, and
// at last its default action: exit status and core dump are as without. A
// signal that was ignored stays ignored. Handlers that are installed later
// come first and must pass on. The first death is told, and no other: not those
// of other threads at that time, and none after a handler that was there before
// has mended what was wrong and let the process live. A crash within the
// handler costs the part of the record that it was at.
//
// A directory that cannot be made or written is an event, not an error: it is
// tried again when the process dies.
// Errors: kAlreadyExists if armed; kInvalidArgument for an option out of its
// range; kFailedPrecondition if no real-time signal is free;
// kResourceExhausted. It is not armed then. Thread-safe.
Status ArmCrashHandler(const CrashOptions& options) noexcept;

// Puts back the handlers that were there. For tests and for libraries that are
// unloaded; not while the process dies.
void DisarmCrashHandler() noexcept;

// Gives the calling thread an alternate signal stack until it ends, so that an
// overflow of its own stack leaves evidence. To be called first thing in a
// thread; again is a no-op, as on a thread that has such a stack already.
// (The thread that arms has one.) Errors: kResourceExhausted.
Status CoverThisThread() noexcept;

// For threads that cannot call CoverThisThread (those of other libraries), and
// for libraries that were loaded since: gives every thread of the process that
// has none an alternate stack, and learns the modules anew. Call it after such
// threads were started. Interrupts each thread once with the thread signal:
// system calls that are never restarted (poll, nanosleep: signal(7)) end with
// EINTR there. A thread that blocks that signal for more than some milliseconds
// is not asked; it stays as it is, as does one that does not answer in
// `thread_wait`, and those beyond the 2048th.
// Errors: kFailedPrecondition if not armed; kResourceExhausted.
Status RefreshCrashHandler() noexcept;

}  // namespace fodc::guard
