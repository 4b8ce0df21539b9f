// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/own_survival.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {
namespace {

// Not -1000, which is never: whoever leaks is killed in the end, us too.
constexpr std::string_view kOomScore = "-900";
constexpr const char* kOomScoreFile = "/proc/self/oom_score_adj";

// The segment of code that has the address.
struct Code {
  std::uintptr_t address = 0;
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
};

int FindCode(dl_phdr_info* object, std::size_t, void* wanted) {
  auto* code = static_cast<Code*>(wanted);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    const bool is_it =
        segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 &&
        code->address >= begin && code->address - begin < segment.p_memsz;
    if (!is_it) continue;
    code->begin = begin;
    code->bytes = segment.p_memsz;
    return 1;
  }
  return 0;
}

// mlock2: sanitizers make mlock do nothing.
int Lock(const void* data, std::size_t bytes) {
  return ::mlock2(data, bytes, 0);
}

Status LockCodeAt(std::uintptr_t address) {
  Code code{.address = address};
  if (::dl_iterate_phdr(&FindCode, &code) == 0)
    return NotFound("no segment of code");
  if (Lock(reinterpret_cast<const void*>(code.begin), code.bytes) != 0)
    return ErrnoStatus(errno, "mlock of code");
  return OkStatus();
}

}  // namespace

Status LockCode() {
  FODC_RETURN_IF_ERROR(LockCodeAt(reinterpret_cast<std::uintptr_t>(&LockCode)));
  return LockCodeAt(reinterpret_cast<std::uintptr_t>(&::syscall));
}

Status LowerOomScore() {
  const UniqueFd fd(::open(kOomScoreFile, O_WRONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, kOomScoreFile);
  return WriteAll(fd.get(), kOomScore, kOomScoreFile);
}

LockedPages::LockedPages(std::size_t bytes) {
  const std::size_t page = PageBytes();
  bytes_ = (bytes + page - 1) / page * page;
  data_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  FODC_CHECK(data_ != MAP_FAILED);
  // Touched by that; where it is refused they are at least there.
  if (Lock(data_, bytes_) != 0) {
    status_ = ErrnoStatus(errno, "mlock");
    std::memset(data_, 0, bytes_);
  }
}

LockedPages::~LockedPages() { (void)::munmap(data_, bytes_); }

}  // namespace fodc::guardian
