// SPDX-License-Identifier: Apache-2.0
#include "thread_cover.h"

#include <sys/types.h>
#include <ucontext.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <list>

#include "alternate_stack.h"
#include "thread_asker.h"

namespace fodc::guard {
namespace {

struct CoveredThread {
  pid_t tid = 0;  // 0: its thread has ended
  AlternateStack stack;
};

// Never freed: a thread may be on its stack at any time.
std::list<CoveredThread>& CoveredThreads() {
  static auto* threads = new std::list<CoveredThread>;
  return *threads;
}

std::uintptr_t AddressOf(const stack_t& stack) {
  return reinterpret_cast<std::uintptr_t>(stack.ss_sp);
}

// Takes the stack that is offered, and tells the address of the one it has.
void TakeStack(AskedThread* self, void* context) {
  stack_t now{};
  (void)::sigaltstack(nullptr, &now);
  // sigaltstack would be undone by the return from this handler, which installs
  // what the frame says (sigreturn(2)).
  if ((now.ss_flags & SS_DISABLE) != 0) {
    now = self->stack;
    static_cast<ucontext_t*>(context)->uc_stack = now;
  }
  self->frames[0] = AddressOf(now);
}

constinit ThreadAsker g_asker(&TakeStack);

}  // namespace

Status CoverOtherThreads(int signal, std::chrono::milliseconds limit,
                         const Clock& clock) {
  FODC_RETURN_IF_ERROR(g_asker.Prepare());
  const int error = g_asker.List();
  if (error != 0) return ErrnoStatus(error, "/proc/self/task");
  auto threads = g_asker.threads();
  std::list<CoveredThread>& covered = CoveredThreads();
  // By its stack and not by its number: it may be the child of a fork.
  stack_t own{};
  (void)::sigaltstack(nullptr, &own);
  for (CoveredThread& c : covered) {
    const bool is_there =
        AddressOf(own) == AddressOf(c.stack.Describe()) ||
        std::any_of(threads.begin(), threads.end(),
                    [&c](const auto& t) { return t.tid == c.tid; });
    if (!is_there) c.tid = 0;
  }
  const auto find = [&covered](pid_t tid) {
    return std::find_if(covered.begin(), covered.end(),
                        [tid](const auto& c) { return c.tid == tid; });
  };
  for (AskedThread& t : threads) {
    auto it = find(t.tid);
    if (it == covered.end()) it = find(0);
    if (it == covered.end()) it = covered.emplace(it);
    it->tid = t.tid;
    if (!it->stack.ok()) {
      covered.erase(it);
      return ErrnoStatus(ENOMEM, "alternate signal stacks");
    }
    t.stack = it->stack.Describe();
  }
  g_asker.Ask(signal, limit, clock);
  for (const AskedThread& t : threads) {
    const bool has_another = t.stage() == AskedThread::Stage::kAnswered &&
                             t.frames[0] != AddressOf(t.stack);
    if (has_another) find(t.tid)->tid = 0;
  }
  return OkStatus();
}

}  // namespace fodc::guard
