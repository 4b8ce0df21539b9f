// SPDX-License-Identifier: Apache-2.0
#include "thread_asker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "directory_scan.h"
#include "fault_signals.h"
#include "fodc/base/strings.h"
#include "pause.h"
#include "stack_walk.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;
using Stage = AskedThread::Stage;

constexpr std::uint64_t kMaxAskers = 8;
// How long a thread may block the signal and still be asked: pthread_create
// does for microseconds.
constexpr milliseconds kDeafWait{20};

constinit std::atomic<ThreadAsker*> g_askers[kMaxAskers] = {};
constinit std::atomic<std::uint64_t> g_asker_count{0};
static_assert(std::atomic<ThreadAsker*>::is_always_lock_free);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

bool Send(pid_t tid, int signal, std::uint64_t value) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the union has no wide integer
  info.si_value.sival_ptr = reinterpret_cast<void*>(value);
  // Full of pending signals (EAGAIN) for a moment at most: each thread takes
  // its own.
  for (int tries = 0; tries < 10; ++tries) {
    if (::syscall(SYS_rt_tgsigqueueinfo, info.si_pid, tid, signal, &info) ==
        0) {
      return true;
    }
    if (errno != EAGAIN) return false;
    Pause();
  }
  return false;
}

bool HasEnded(pid_t tid) {
  return ::syscall(SYS_tgkill, ::getpid(), tid, 0) != 0 && errno == ESRCH;
}

// What a signal carries: which asker, which row of it, which round.
static_assert(sizeof(void*) == sizeof(std::uint64_t));
constexpr std::uint64_t Pack(std::uint64_t asker, std::uint64_t row,
                             std::uint64_t round) {
  return (round * ThreadAsker::kMaxThreads + row) * kMaxAskers + asker;
}

bool HasHandler(int number) {
  struct sigaction now {};
  return ::sigaction(number, nullptr, &now) != 0 ||
         (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL;
}

}  // namespace

Result<int> TakeThreadSignal(int wanted) {
  if (wanted != 0 && (wanted < SIGRTMIN || wanted > SIGRTMAX)) {
    return InvalidArgument(StrCat("signal ", wanted,
                                  " is no real-time signal: ", SIGRTMIN, "..",
                                  SIGRTMAX));
  }
  if (wanted != 0 && IsThreadSignal(wanted)) return wanted;
  if (wanted != 0 && HasHandler(wanted)) {
    return InvalidArgument(StrCat("signal ", wanted, " has a handler already"));
  }
  int signal = wanted;
  for (int s = SIGRTMAX; signal == 0 && s >= SIGRTMIN; --s) {
    if (!HasHandler(s)) signal = s;
  }
  if (signal == 0) {
    return FailedPrecondition(
        "no real-time signal is free to ask threads with");
  }
  struct sigaction action {};
  action.sa_sigaction = &ThreadAsker::OnSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  FillAllButFaults(&action.sa_mask);
  if (::sigaction(signal, &action, nullptr) != 0) {
    return ErrnoStatus(errno, "sigaction");
  }
  return signal;
}

void GiveBackThreadSignal(int signal) {
  if (!IsThreadSignal(signal)) return;
  // The default ends the process. To ignore it takes back what is pending.
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  (void)::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_DFL;
  (void)::sigaction(signal, &action, nullptr);
}

bool IsThreadSignal(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 &&
         (now.sa_flags & SA_SIGINFO) != 0 &&
         now.sa_sigaction == &ThreadAsker::OnSignal;
}

// Acquire: what the other side wrote into the row before. Release: what this
// side did.
bool AskedThread::Move(std::uint64_t round, Stage from, Stage to) {
  std::uint64_t expected = StateOf(round, from);
  return state_.compare_exchange_strong(expected, StateOf(round, to),
                                        std::memory_order_acq_rel,
                                        std::memory_order_acquire);
}

Status ThreadAsker::Prepare() {
  if (rows_ != nullptr) return OkStatus();
  // Pages of zeros are rows of round 0; untouched they take no memory.
  void* memory =
      ::mmap(nullptr, kMaxThreads * sizeof(AskedThread), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "memory for stacks");
  index_ = g_asker_count.fetch_add(1);
  if (index_ >= kMaxAskers) {
    (void)::munmap(memory, kMaxThreads * sizeof(AskedThread));
    return ResourceExhausted("too many askers of threads");
  }
  rows_ = static_cast<AskedThread*>(memory);
  g_askers[index_].store(this, std::memory_order_release);
  return OkStatus();
}

void ThreadAsker::Touch(std::size_t threads) {
  for (std::size_t i = 0; i < std::min(threads, kMaxThreads); ++i) {
    (void)rows_[i].state_.fetch_add(0, std::memory_order_relaxed);
  }
}

void ThreadAsker::OnSignal(int, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (info->si_code == SI_QUEUE && info->si_pid == ::getpid()) {
    const auto value =
        reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
    const ThreadAsker* asker =
        g_askers[value % kMaxAskers].load(std::memory_order_acquire);
    const std::uint64_t row = value / kMaxAskers % kMaxThreads;
    const std::uint64_t round = value / kMaxAskers / kMaxThreads;
    if (asker != nullptr) {
      AskedThread& t = asker->rows_[row];
      if (t.Move(round, Stage::kAsked, Stage::kAnswering)) {
        asker->answer_(&t, context);
        (void)t.Move(round, Stage::kAnswering, Stage::kAnswered);
      }
    }
  }
  errno = saved_errno;
}

// The next row from `*from` on, which is moved behind it.
AskedThread* ThreadAsker::ClaimRow(std::size_t* from) {
  while (*from < kMaxThreads) {
    AskedThread& t = rows_[(*from)++];
    // A thread that is answering an older round still keeps its row.
    std::uint64_t now = t.state_.load(std::memory_order_acquire);
    if (AskedThread::StageOf(now) != Stage::kAnswering &&
        t.state_.compare_exchange_strong(
            now, AskedThread::StateOf(round_, Stage::kListed),
            std::memory_order_acq_rel)) {
      return &t;
    }
  }
  return nullptr;
}

int ThreadAsker::List() {
  ++round_;
  count_ = 0;
  beyond_ = 0;
  const int fd = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const pid_t own = ::gettid();
  std::size_t from = 0;
  DirectoryScan scan(fd);
  while (const char* name = scan.Next()) {
    pid_t tid = 0;
    (void)std::from_chars(name, name + std::strlen(name), tid);
    if (tid == 0 || tid == own) continue;
    AskedThread* t = ClaimRow(&from);
    if (t == nullptr) {
      ++beyond_;
      continue;
    }
    t->tid = tid;
    t->status = ReadThreadStatus(tid);
    t->size = 0;
    listed_[count_++] = t;
  }
  (void)::close(fd);
  return 0;
}

void ThreadAsker::Send(AskedThread* t, int signal) {
  t->state_.store(AskedThread::StateOf(round_, Stage::kAsked),
                  std::memory_order_release);
  const auto row = static_cast<std::uint64_t>(t - rows_);
  if (!guard::Send(t->tid, signal, Pack(index_, row, round_))) {
    (void)t->Move(round_, Stage::kAsked, Stage::kSilent);
  }
}

bool ThreadAsker::IsOpen(AskedThread* t, int signal, bool is_deaf_awaited) {
  switch (t->stage()) {
    case Stage::kDeaf:
      if (is_deaf_awaited && !ReadThreadStatus(t->tid).Blocks(signal)) {
        Send(t, signal);
        return true;
      }
      return is_deaf_awaited;
    case Stage::kAsked:
      if (!HasEnded(t->tid)) return true;
      (void)t->Move(round_, Stage::kAsked, Stage::kSilent);
      return false;
    case Stage::kAnswering:
      return true;
    default:
      return false;
  }
}

void ThreadAsker::Ask(int signal, milliseconds limit, const Clock& clock) {
  const bool is_taken = IsThreadSignal(signal);
  for (AskedThread* t : threads()) {
    if (!is_taken || t->status.HasEnded()) {
      (void)t->Move(round_, Stage::kListed, Stage::kSilent);
    } else if (t->status.Blocks(signal)) {
      (void)t->Move(round_, Stage::kListed, Stage::kDeaf);
    } else {
      Send(t, signal);
    }
  }
  const MonotonicTime begin = clock.Monotonic();
  for (;;) {
    const auto waited = clock.Monotonic() - begin;
    bool is_open = false;
    for (AskedThread* t : threads()) {
      is_open = IsOpen(t, signal, waited < kDeafWait) || is_open;
    }
    if (!is_open || waited >= limit) break;
    Pause();
  }
  for (AskedThread* t : threads()) {
    (void)t->Move(round_, Stage::kDeaf, Stage::kSilent);
    (void)t->Move(round_, Stage::kAsked, Stage::kSilent);
  }
}

bool ThreadAsker::MarkFaulted() {
  const pid_t own = ::gettid();
  for (AskedThread* t : threads()) {
    if (t->tid == own) {
      return t->Move(round_, Stage::kAnswering, Stage::kFaulted);
    }
  }
  return false;
}

void TellStack(AskedThread* self, void* context) {
  self->size = WalkInterruptedStack(context, nullptr, self->frames);
}

}  // namespace fodc::guard
