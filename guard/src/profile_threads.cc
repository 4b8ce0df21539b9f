// SPDX-License-Identifier: Apache-2.0
#include "profile_threads.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/profile_writer.h"

namespace fodc::guard {
namespace {

// Where a thread's handler puts its stack. The state is a stage and the number
// of the request, so that a signal heard too late is one of an older request
// and touches nothing.
struct Place {
  std::atomic<std::uint64_t> state{0};
  std::uint64_t count = 0;
  std::array<std::uint64_t, kMaxThreadFrames> frames = {};
};
static_assert(sizeof(Place) == 512);

enum Stage : std::uint64_t { kIdle, kAsked, kWriting, kDone };
constexpr std::uint64_t StateOf(std::uint64_t request, Stage stage) {
  return request << 2 | stage;
}

// Made once and kept: a handler may come at any time.
std::atomic<Place*> places{nullptr};

struct Walk {
  Place* place;
  std::uint64_t from;  // where the thread was interrupted
  bool has_begun;
};

_Unwind_Reason_Code OnFrame(_Unwind_Context* context, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  const auto address = static_cast<std::uint64_t>(_Unwind_GetIP(context));
  if (address == 0) return _URC_END_OF_STACK;
  Place& p = *walk.place;
  if (!walk.has_begun) {
    // The frames of the handler and of the kernel's return are passed over.
    if (address != walk.from) return _URC_NO_REASON;
    walk.has_begun = true;
    p.frames[p.count++] = address;
    return _URC_NO_REASON;
  }
  p.frames[p.count++] = pprof::CallSite(address);
  return p.count < p.frames.size() ? _URC_NO_REASON : _URC_END_OF_STACK;
}

std::uint64_t InterruptedAt(const void* context) {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "where a thread was interrupted is not known for this machine"
#endif
}

// Only what is async-signal-safe: the unwinder of GCC 12 takes no lock with
// glibc 2.35 and newer (_dl_find_object) unless code was registered at run
// time.
void OnSignal(int, siginfo_t* info, void* context) {
  const int kept_errno = errno;
  Place* const all = places.load(std::memory_order_acquire);
  // Index and request, as sent by this process.
  const auto sent = reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
  const std::uint64_t index = sent % kMaxThreadStacks;
  if (all != nullptr && info->si_code == SI_QUEUE && info->si_pid == getpid()) {
    Place& p = all[index];
    const std::uint64_t request = sent / kMaxThreadStacks;
    std::uint64_t asked = StateOf(request, kAsked);
    if (p.state.compare_exchange_strong(asked, StateOf(request, kWriting),
                                        std::memory_order_acquire)) {
      p.count = 0;
      Walk walk{&p, InterruptedAt(context), false};
      _Unwind_Backtrace(&OnFrame, &walk);
      if (p.count == 0) p.frames[p.count++] = walk.from;
      p.state.store(StateOf(request, kDone), std::memory_order_release);
    }
  }
  errno = kept_errno;
}

// False if the host uses the signal itself.
bool Install() {
  struct sigaction now = {};
  if (sigaction(StackSignal(), nullptr, &now) != 0) return false;
  if ((now.sa_flags & SA_SIGINFO) != 0) return now.sa_sigaction == &OnSignal;
  if (now.sa_handler != SIG_DFL) return false;
  if (places.load() == nullptr) {
    void* memory =
        mmap(nullptr, kMaxThreadStacks * sizeof(Place), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    places.store(static_cast<Place*>(memory), std::memory_order_release);
  }
  struct sigaction action = {};
  action.sa_sigaction = &OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  return sigaction(StackSignal(), &action, nullptr) == 0;
}

bool Ask(pid_t tid, std::size_t index, std::uint64_t request) {
  Place& p = places.load()[index];
  // A handler that never came to an end keeps its place.
  const std::uint64_t state = p.state.load(std::memory_order_acquire);
  if ((state & 3) == kWriting) return false;
  p.state.store(StateOf(request, kAsked), std::memory_order_release);
  siginfo_t info = {};
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr =
      reinterpret_cast<void*>(request * kMaxThreadStacks + index);
  return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, StackSignal(), &info) ==
         0;
}

// What the place has, and ends the asking.
std::vector<std::uint64_t> TakeBack(std::size_t index, std::uint64_t request) {
  Place& p = places.load()[index];
  std::uint64_t asked = StateOf(request, kAsked);
  p.state.compare_exchange_strong(asked, StateOf(request, kIdle));
  if (p.state.load(std::memory_order_acquire) != StateOf(request, kDone)) {
    return {};
  }
  return {p.frames.begin(),
          p.frames.begin() + static_cast<std::ptrdiff_t>(p.count)};
}

std::vector<std::uint64_t> OwnStack() {
  Place here;
  Walk walk{&here, 0, true};
  _Unwind_Backtrace(&OnFrame, &walk);
  return {here.frames.begin(),
          here.frames.begin() + static_cast<std::ptrdiff_t>(here.count)};
}

}  // namespace

int StackSignal() { return SIGRTMAX - 3; }

Result<std::vector<ProfileThread>> TakeProfileThreads(
    std::chrono::milliseconds wait) {
  constexpr char kTasks[] = "/proc/self/task";
  static std::atomic<std::uint64_t> requests{0};
  const std::uint64_t request = ++requests;
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(kTasks));
  std::vector<ProfileThread> threads;
  for (const std::string& name : names) {
    const auto tid = static_cast<pid_t>(ParseUint(name).value_or(0));
    const auto stat = ReadProcessStat(kTasks, tid);
    if (!stat.ok()) continue;  // has ended
    threads.push_back({tid, stat->comm, stat->state, {}});
  }
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  std::vector<std::size_t> asked;
  if (Install()) {
    const std::size_t count = std::min(threads.size(), kMaxThreadStacks);
    for (std::size_t i = 0; i < count; ++i) {
      if (threads[i].tid != self && Ask(threads[i].tid, i, request)) {
        asked.push_back(i);
      }
    }
  }
  const auto is_done = [request](std::size_t i) {
    return places.load()[i].state.load(std::memory_order_acquire) ==
           StateOf(request, kDone);
  };
  for (auto left = wait; left.count() > 0; --left) {
    if (std::all_of(asked.begin(), asked.end(), is_done)) break;
    poll(nullptr, 0, 1);
  }
  for (const std::size_t i : asked) threads[i].stack = TakeBack(i, request);
  for (ProfileThread& t : threads) {
    if (t.tid == self) t.stack = OwnStack();
  }
  return threads;
}

}  // namespace fodc::guard
