// SPDX-License-Identifier: Apache-2.0
// The names in a directory without readdir, which allocates: for signal
// handlers. getdents64(2).
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace fodc::guard {

class DirectoryScan {
 public:
  // From the first name on. `fd` stays the caller's.
  explicit DirectoryScan(int fd) : fd_(fd) { (void)::lseek(fd, 0, SEEK_SET); }

  // Without "." and ".."; it lives until the next call. Null at the end, and
  // when the directory cannot be read.
  const char* Next() {
    for (;;) {
      if (at_ >= size_) {
        const long n = ::syscall(SYS_getdents64, fd_, buffer_, sizeof(buffer_));
        if (n <= 0) return nullptr;
        size_ = static_cast<std::size_t>(n);
        at_ = 0;
      }
      // struct linux_dirent64: inode, offset, length of the record (at 16),
      // type, name (at 19).
      std::uint16_t length = 0;
      std::memcpy(&length, buffer_ + at_ + 16, sizeof(length));
      const char* name = buffer_ + at_ + 19;
      at_ += length;
      if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) {
        return name;
      }
    }
  }

 private:
  int fd_;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
  alignas(8) char buffer_[4096];
};

}  // namespace fodc::guard
