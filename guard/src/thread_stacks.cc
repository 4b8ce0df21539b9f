// SPDX-License-Identifier: Apache-2.0
#include "thread_stacks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <list>
#include <string_view>

#include "alternate_stack.h"
#include "directory_scan.h"
#include "fodc/base/strings.h"
#include "record_buffer.h"
#include "stack_walk.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMemoryBytes =
    ThreadStacks::kMaxThreads * sizeof(ThreadStack);

std::atomic<ThreadStacks*> g_asking{nullptr};
static_assert(std::atomic<ThreadStacks*>::is_always_lock_free);
static_assert(std::atomic<ThreadState>::is_always_lock_free);

pid_t OwnTid() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void Pause() {
  const timespec ms{0, 1'000'000};
  (void)::nanosleep(&ms, nullptr);
}

// /proc/self/task/<tid>/<file> into `buffer`; empty if it cannot be read.
std::string_view ReadTaskFile(pid_t tid, std::string_view file,
                              std::span<char> buffer) {
  std::array<char, 64> memory{};
  RecordBuffer path(memory.data(), memory.size() - 1);
  path.Append("/proc/self/task/");
  path.AppendUint(static_cast<std::uint64_t>(tid));
  path.Append("/");
  path.Append(file);
  const int fd = ::open(memory.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  (void)::close(fd);
  return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

// "12 (name) S ...": any byte may be in the name.
void ReadNameAndState(ThreadStack* t) {
  std::array<char, 256> buffer{};
  const std::string_view stat = ReadTaskFile(t->tid, "stat", buffer);
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');
  if (open == stat.npos || close == stat.npos || close < open) return;
  const std::string_view name = stat.substr(open + 1, close - open - 1);
  t->name_bytes = std::min(name.size(), sizeof(t->name));
  std::memcpy(t->name, name.data(), t->name_bytes);
  if (close + 2 < stat.size()) t->run_state = stat[close + 2];
}

// The program counter ends the line of a thread that the kernel holds.
void ReadHeldAt(ThreadStack* t) {
  std::array<char, 256> buffer{};
  std::string_view line = ReadTaskFile(t->tid, "syscall", buffer);
  while (line.ends_with('\n')) line.remove_suffix(1);
  const std::size_t at = line.rfind(" 0x");
  if (at == line.npos) return;
  line.remove_prefix(at + 3);
  std::uintptr_t pc = 0;
  const auto end = line.data() + line.size();
  if (std::from_chars(line.data(), end, pc, 16).ptr != end || pc == 0) return;
  t->frames[0] = pc;
  t->size = 1;
}

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

bool HasHandler(int number) {
  struct sigaction now {};
  return ::sigaction(number, nullptr, &now) != 0 ||
         (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL;
}

}  // namespace

Result<std::unique_ptr<ThreadStacks>> ThreadStacks::Create(int signal) {
  if (signal != 0 && (signal < SIGRTMIN || signal > SIGRTMAX)) {
    return InvalidArgument(StrCat("signal ", signal,
                                  " is no real-time signal: ", SIGRTMIN, "..",
                                  SIGRTMAX));
  }
  if (signal != 0 && HasHandler(signal)) {
    return InvalidArgument(StrCat("signal ", signal, " has a handler already"));
  }
  std::unique_ptr<ThreadStacks> made(new ThreadStacks);
  made->signal_ = signal;
  for (int s = SIGRTMAX; made->signal_ == 0 && s >= SIGRTMIN; --s) {
    if (!HasHandler(s)) made->signal_ = s;
  }
  if (made->signal_ == 0) {
    return Status(Code::kFailedPrecondition,
                  "no real-time signal is free to ask threads with");
  }
  void* memory = ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "memory for stacks");
  // Pages of zeros are kMaxThreads threads of state kFree; untouched they
  // take no memory.
  made->stacks_ = static_cast<ThreadStack*>(memory);
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  (void)::sigemptyset(&action.sa_mask);
  g_asking.store(made.get());
  if (::sigaction(made->signal_, &action, &made->before_) != 0) {
    const int error = errno;
    g_asking.store(nullptr);
    return ErrnoStatus(error, "sigaction");
  }
  return made;
}

ThreadStacks::~ThreadStacks() {
  if (g_asking.load() == this) {
    (void)::sigaction(signal_, &before_, nullptr);
    g_asking.store(nullptr);
  }
  if (stacks_ != nullptr) (void)::munmap(stacks_, kMemoryBytes);
}

ThreadStack* ThreadStacks::FindOwn() {
  const pid_t tid = OwnTid();
  for (ThreadStack& t : stacks()) {
    if (t.tid == tid) return &t;
  }
  return nullptr;
}

void ThreadStacks::OnSignal(int, siginfo_t*, void* context) {
  const int saved_errno = errno;
  ThreadStacks* self = g_asking.load();
  ThreadStack* t = self == nullptr ? nullptr : self->FindOwn();
  if (t != nullptr) {
    auto asked = ThreadState::kAskedForStack;
    auto cover = ThreadState::kAskedToCover;
    // Acquire: what the asker wrote into the row. Release below: what is told.
    if (t->state.compare_exchange_strong(asked, ThreadState::kAnswering,
                                         std::memory_order_acq_rel)) {
      t->size = WalkInterruptedStack(context, nullptr, t->frames);
      t->state.store(ThreadState::kTold, std::memory_order_release);
    } else if (t->state.compare_exchange_strong(cover, ThreadState::kAnswering,
                                                std::memory_order_acq_rel)) {
      stack_t now{};
      (void)::sigaltstack(nullptr, &now);
      // sigaltstack would be undone by the return from this handler, which
      // installs what the frame says (sigreturn(2)).
      if ((now.ss_flags & SS_DISABLE) != 0) {
        now = t->to_install;
        static_cast<ucontext_t*>(context)->uc_stack = now;
      }
      t->frames[0] = AddressOf(now);
      t->state.store(ThreadState::kTold, std::memory_order_release);
    }
  }
  errno = saved_errno;
}

void ThreadStacks::ListThreads() {
  size_ = 0;
  beyond_ = 0;
  const int fd = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  const pid_t own = OwnTid();
  DirectoryScan scan(fd);
  while (const char* name = scan.Next()) {
    pid_t tid = 0;
    (void)std::from_chars(name, name + std::strlen(name), tid);
    if (tid == 0 || tid == own) continue;
    if (size_ == kMaxThreads) {
      ++beyond_;
      continue;
    }
    ThreadStack& t = stacks_[size_++];
    t.state.store(ThreadState::kFree);
    t.tid = tid;
    t.run_state = '?';
    t.name_bytes = 0;
    t.size = 0;
  }
  (void)::close(fd);
}

void ThreadStacks::AskAll(ThreadState question) {
  const pid_t pid = ::getpid();
  for (ThreadStack& t : stacks()) {
    t.state.store(question, std::memory_order_release);
    // Full of pending signals (EAGAIN) for a moment at most: each thread takes
    // its own. One that has ended meanwhile (ESRCH) is as silent.
    for (int tries = 0; tries < 10; ++tries) {
      if (::syscall(SYS_tgkill, pid, t.tid, signal_) == 0 || errno != EAGAIN) {
        break;
      }
      Pause();
    }
  }
}

void ThreadStacks::Await(ThreadState question, milliseconds limit,
                         const Clock& clock) {
  const MonotonicTime end = clock.Monotonic() + limit;
  const auto is_open = [question](const ThreadStack& t) {
    const ThreadState s = t.state.load(std::memory_order_acquire);
    return s == question || s == ThreadState::kAnswering;
  };
  while (std::any_of(stacks_, stacks_ + size_, is_open) &&
         clock.Monotonic() < end) {
    Pause();
  }
  for (ThreadStack& t : stacks()) {
    // One that is still answering keeps its row to itself; it is not read.
    ThreadState open = question;
    (void)t.state.compare_exchange_strong(open, ThreadState::kSilent,
                                          std::memory_order_acq_rel);
  }
}

void ThreadStacks::Collect(milliseconds limit, const Clock& clock) {
  ListThreads();
  for (ThreadStack& t : stacks()) ReadNameAndState(&t);
  AskAll(ThreadState::kAskedForStack);
  Await(ThreadState::kAskedForStack, limit, clock);
  for (ThreadStack& t : stacks()) {
    if (t.state.load() == ThreadState::kSilent) ReadHeldAt(&t);
  }
}

bool ThreadStacks::MarkFaulted() {
  ThreadStack* t = FindOwn();
  auto answering = ThreadState::kAnswering;
  return t != nullptr &&
         t->state.compare_exchange_strong(answering, ThreadState::kFaulted);
}

Status ThreadStacks::Cover(milliseconds limit, const Clock& clock) {
  std::list<CoveredThread>& covered = CoveredThreads();
  ListThreads();
  const std::span<ThreadStack> rows = stacks();
  const pid_t own = OwnTid();
  for (CoveredThread& c : covered) {
    const bool is_there =
        c.tid == own || std::any_of(rows.begin(), rows.end(),
                                    [&c](auto& t) { return t.tid == c.tid; });
    if (!is_there) c.tid = 0;
  }
  const auto find = [&covered](pid_t tid) {
    return std::find_if(covered.begin(), covered.end(),
                        [tid](const auto& c) { return c.tid == tid; });
  };
  for (ThreadStack& t : rows) {
    auto it = find(t.tid);
    if (it == covered.end()) it = find(0);
    if (it == covered.end()) it = covered.emplace(it);
    it->tid = t.tid;
    if (!it->stack.ok()) {
      covered.erase(it);
      return ErrnoStatus(ENOMEM, "alternate signal stacks");
    }
    t.to_install = it->stack.Describe();
  }
  AskAll(ThreadState::kAskedToCover);
  Await(ThreadState::kAskedToCover, limit, clock);
  for (ThreadStack& t : rows) {
    const bool has_another = t.state.load() == ThreadState::kTold &&
                             t.frames[0] != AddressOf(t.to_install);
    if (has_another) find(t.tid)->tid = 0;
  }
  return OkStatus();
}

}  // namespace fodc::guard
