// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/blob.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fodc/base/strings.h"

namespace fodc::object_store {

Result<std::size_t> MemoryBlob::ReadAt(std::uint64_t offset, char* buffer,
                                       std::size_t bytes) const {
  const std::string_view piece =
      bytes_.substr(std::min<std::uint64_t>(offset, bytes_.size()), bytes);
  std::ranges::copy(piece, buffer);
  return piece.size();
}

Result<std::size_t> FileBlob::ReadAt(std::uint64_t offset, char* buffer,
                                     std::size_t bytes) const {
  if (offset >= bytes_) return std::size_t{0};
  bytes = std::min<std::uint64_t>(bytes, bytes_ - offset);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = ::pread(fd_.get(), buffer + done, bytes - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read " + name_);
    if (n == 0) {
      return FailedPrecondition(StrCat(name_, " has shrunk to ", offset + done,
                                       " bytes of ", bytes_));
    }
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

Status FileBlob::Check() const {
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) return ErrnoStatus(errno, "stat " + name_);
  const auto bytes = static_cast<std::uint64_t>(now.st_size);
  if (bytes == bytes_) return OkStatus();
  return FailedPrecondition(
      StrCat(name_, " has ", bytes, " bytes now, and had ", bytes_));
}

Result<std::size_t> BlobPiece::ReadAt(std::uint64_t offset, char* buffer,
                                      std::size_t bytes) const {
  if (offset >= bytes_) return std::size_t{0};
  return whole_.ReadAt(offset_ + offset, buffer,
                       std::min<std::uint64_t>(bytes, bytes_ - offset));
}

}  // namespace fodc::object_store
