// SPDX-License-Identifier: Apache-2.0
#include "fatal_handlers.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <new>
#include <optional>

#include "exception_text.h"
#include "fault_signals.h"
#include "fodc/base/strings.h"
#include "life_crash.h"
#include "pause.h"

namespace fodc::guard {
namespace {

// How long who dies second waits for the record of the first.
constexpr int kMaxPauses = 10'000;  // of 1 ms

// One process, one set of handlers; all of it is there before any runs.
// Null: disarmed. Who was installed after us may still pass on to us.
constinit std::atomic<CrashPlan*> g_plan{nullptr};
constinit struct sigaction g_before[NSIG] = {};
constinit bool g_is_installed[NSIG] = {};
constinit std::terminate_handler g_terminate_before = nullptr;

// The thread whose death is told; 0 while nobody dies.
constinit std::atomic<pid_t> g_owner{0};
constinit std::atomic<bool> g_is_told{false};
// Of the owner alone.
constinit Death g_death;
constinit std::optional<DeathRecord> g_record;
constinit char g_terminated[1024] = {};

void AwaitTold() {
  for (int i = 0; i < kMaxPauses && !g_is_told.load(); ++i) Pause();
}

bool BecomeOwner() {
  pid_t nobody = 0;
  return g_owner.compare_exchange_strong(nobody, ::gettid());
}

void TellDeath() {
  g_record->Run(g_death);
  EndLifeByCrash();
  g_is_told.store(true);
}

void Unblock(int number) {
  sigset_t set;
  (void)::sigemptyset(&set);
  (void)::sigaddset(&set, number);
  (void)::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// Puts the same signal, with all it says, before this thread again, for whom
// was there before us. It waits until it is unblocked: by the return from the
// handler, which brings back the interrupted context, so that a core shows
// where the fault was and not this function.
void PassOn(int number, siginfo_t* info) {
  sigset_t set;
  (void)::sigemptyset(&set);
  (void)::sigaddset(&set, number);
  (void)::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  (void)::sigaction(number, &g_before[number], nullptr);
  const pid_t pid = ::getpid();
  if (::syscall(SYS_rt_tgsigqueueinfo, pid, ::gettid(), number, info) != 0) {
    (void)::syscall(SYS_tgkill, pid, ::gettid(), number);
  }
}

// Out of a place that cannot be returned to.
[[noreturn]] void DieOf(int number, siginfo_t* info) {
  PassOn(number, info);
  Unblock(number);
  // Who was there before has returned: what the default does is left.
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  (void)::sigaction(number, &by_default, nullptr);
  (void)::syscall(SYS_tgkill, ::getpid(), ::gettid(), number);
  ::_exit(128 + number);
}

void OnFatal(int number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (g_plan.load() == nullptr) {
    // Nothing is told any more.
  } else if (BecomeOwner()) {
    g_death.signal = number;
    g_death.info = *info;
    g_death.context = context;
    TellDeath();
  } else if (g_owner.load() == ::gettid() && !g_is_told.load()) {
    // A fault in the step that is under way.
    TellDeath();
    siginfo_t aborted{};
    aborted.si_code = SI_TKILL;
    if (g_death.signal == 0) DieOf(SIGABRT, &aborted);
    DieOf(g_death.signal, &g_death.info);
  } else if (g_plan.load()->threads->MarkFaulted()) {
    // This thread was asked for its stack by one that dies: there is nothing
    // to go back to.
    for (;;) Pause();
  } else {
    AwaitTold();
  }
  PassOn(number, info);
  errno = saved_errno;
}

// While the record is written. A thread that dies second is asked for its stack
// all the same.
void FillMask(sigset_t* mask) {
  FillAllButFaults(mask);
  (void)::sigdelset(mask, g_plan.load()->thread_signal);
}

[[noreturn]] void OnTerminate() {
  if (g_plan.load() == nullptr) {
    // As OnFatal.
  } else if (BecomeOwner()) {
    // Not to end by SIGXFSZ or the like while the record is written.
    sigset_t mask;
    sigset_t before;
    FillMask(&mask);
    (void)::pthread_sigmask(SIG_BLOCK, &mask, &before);
    RecordBuffer text(g_terminated, sizeof(g_terminated));
    text.Append("std::terminate");
    const std::size_t bare = text.size();
    // If what() faults, that much is known.
    g_death.terminated = text.text();
    text.Append(": uncaught ");
    const std::size_t named = text.size();
    AppendCurrentException(&text);
    if (text.size() == named) text.Truncate(bare);
    g_death.terminated = text.text();
    TellDeath();
    (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  } else if (g_owner.load() != ::gettid()) {
    AwaitTold();
  }
  if (g_terminate_before != nullptr) g_terminate_before();
  std::abort();
}

}  // namespace

Status InstallFatalHandlers(CrashPlan* plan, bool handle_sigtrap) {
  g_owner.store(0);
  g_is_told.store(false);
  g_death = {};
  g_record.emplace(plan);
  g_plan.store(plan);
  struct sigaction action {};
  action.sa_sigaction = OnFatal;
  // SA_NODEFER, and a mask without the fatal ones: a fault within the handler
  // comes to the handler.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  FillMask(&action.sa_mask);
  for (const int s : kFaultSignals) {
    if (s == SIGTRAP && !handle_sigtrap) continue;
    if (::sigaction(s, nullptr, &g_before[s]) != 0) {
      const int error = errno;
      RemoveFatalHandlers();
      return ErrnoStatus(error, StrCat("sigaction ", s));
    }
    const bool is_ignored = (g_before[s].sa_flags & SA_SIGINFO) == 0 &&
                            g_before[s].sa_handler == SIG_IGN;
    if (is_ignored) continue;
    // Before it is installed: it may be called at once.
    g_is_installed[s] = true;
    (void)::sigaction(s, &action, nullptr);
  }
  g_terminate_before = std::set_terminate(OnTerminate);
  return OkStatus();
}

void RemoveFatalHandlers() {
  g_plan.store(nullptr);
  for (const int s : kFaultSignals) {
    struct sigaction now {};
    if (g_is_installed[s] && ::sigaction(s, nullptr, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == OnFatal) {
      (void)::sigaction(s, &g_before[s], nullptr);
    }
    g_is_installed[s] = false;
  }
  if (std::get_terminate() == OnTerminate) {
    (void)std::set_terminate(g_terminate_before);
  }
}

}  // namespace fodc::guard
