// SPDX-License-Identifier: Apache-2.0
#include "alternate_stack.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "edge.h"
#include "fodc/base/status.h"
#include "fodc/guard/crash.h"

namespace fodc::guard {
namespace {

// The handler itself needs 30 KiB, twice as much when it faults.
constexpr std::size_t kHandlerBytes = std::size_t{96} << 10;

// A signal frame and a walk. Who dies on it has the memory reserve for the
// rest.
constexpr std::size_t kTouchedBytes = std::size_t{16} << 10;

std::size_t PageBytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Of one thread, gone with it.
class ThreadsOwnStack {
 public:
  ~ThreadsOwnStack() {
    stack_t now{};
    if (::sigaltstack(nullptr, &now) != 0 ||
        now.ss_sp != stack_.Describe().ss_sp) {
      return;  // somebody else's by now
    }
    now.ss_flags = SS_DISABLE;
    (void)::sigaltstack(&now, nullptr);
  }
  Status Install() {
    const stack_t description = stack_.Describe();
    if (!stack_.ok()) return ErrnoStatus(ENOMEM, "alternate signal stack");
    if (::sigaltstack(&description, nullptr) != 0) {
      return ErrnoStatus(errno, "sigaltstack");
    }
    return OkStatus();
  }

 private:
  AlternateStack stack_;
};

}  // namespace

void TouchPages(void* memory, std::size_t bytes) {
  auto* const begin = static_cast<volatile char*>(memory);
  for (std::size_t i = 0; i < bytes; i += PageBytes()) begin[i] = 0;
}

AlternateStack::AlternateStack() {
  const std::size_t page = PageBytes();
  const auto frame = static_cast<std::size_t>(
      std::max(::sysconf(_SC_SIGSTKSZ), static_cast<long>(SIGSTKSZ)));
  const std::size_t bytes =
      (frame + kHandlerBytes + 2 * page - 1) / page * page;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  (void)::mprotect(memory, page, PROT_NONE);
  TouchPages(static_cast<char*>(memory) + bytes - kTouchedBytes, kTouchedBytes);
  memory_ = memory;
  mapped_bytes_ = bytes;
}

AlternateStack::~AlternateStack() {
  if (memory_ != nullptr) (void)::munmap(memory_, mapped_bytes_);
}

AlternateStack::AlternateStack(AlternateStack&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}

stack_t AlternateStack::Describe() const {
  stack_t description{};
  if (memory_ == nullptr) {
    description.ss_flags = SS_DISABLE;
    return description;
  }
  const std::size_t page = PageBytes();
  description.ss_sp = static_cast<char*>(memory_) + page;
  description.ss_size = mapped_bytes_ - page;
  return description;
}

Status CoverThisThread() noexcept {
  return AtEdge([]() -> Status {
    stack_t now{};
    if (::sigaltstack(nullptr, &now) != 0) {
      return ErrnoStatus(errno, "sigaltstack");
    }
    if ((now.ss_flags & SS_DISABLE) == 0) return OkStatus();
    thread_local ThreadsOwnStack stack;
    return stack.Install();
  });
}

}  // namespace fodc::guard
