// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/own_survival.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {
namespace {

// Not -1000, which is never: whoever leaks is killed in the end, us too.
constexpr std::string_view kOomScore = "-900";
constexpr const char* kOomScoreFile = "/proc/self/oom_score_adj";

}  // namespace

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
  // Touched by mlock; where that is refused they are at least there.
  if (::mlock(data_, bytes_) != 0) {
    status_ = ErrnoStatus(errno, "mlock");
    std::memset(data_, 0, bytes_);
  }
}

LockedPages::~LockedPages() { (void)::munmap(data_, bytes_); }

}  // namespace fodc::guardian
