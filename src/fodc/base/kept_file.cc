// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/kept_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "fodc/base/strings.h"

namespace fodc {
namespace {

constexpr std::size_t kFirstBytes = 4096;
constexpr std::size_t kMaxBytes = 16u << 20;

}  // namespace

Result<std::string_view> KeptFile::Read(std::string* buffer) {
  if (!fd_.ok()) {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd_.ok()) return ErrnoStatus(errno, "open " + path_);
  }
  // The size stays at its high-water mark: resize would write zeros each time.
  if (buffer->size() < kFirstBytes) buffer->resize(kFirstBytes);
  std::size_t used = 0;
  for (;;) {
    if (used == buffer->size()) {
      if (used >= kMaxBytes) {
        fd_.reset();
        return ResourceExhausted(
            StrCat(path_, " is larger than ", kMaxBytes, " bytes"));
      }
      buffer->resize(used * 2);
    }
    const ssize_t n = ::pread(fd_.get(), buffer->data() + used,
                              buffer->size() - used, static_cast<off_t>(used));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int err = errno;
      fd_.reset();
      return ErrnoStatus(err, "read " + path_);
    }
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  return std::string_view(buffer->data(), used);
}

}  // namespace fodc
