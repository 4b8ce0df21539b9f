// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/hotnode/data_files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string_view>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::hotnode {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

Status CheckIsOnDisk(int fd, const std::string& path) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return ErrnoStatus(errno, "statfs " + path);
  if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) {
    return FailedPrecondition(
        StrCat(path, " would lie in memory: reads of it are never slow"));
  }
  return {};
}

// Bytes that no file system can store as a hole or pack.
Status Fill(int fd, const std::string& path, std::uint64_t bytes) {
  std::vector<std::uint32_t> words(kPieceBytes / sizeof(std::uint32_t));
  std::minstd_rand random;  // NOLINT(cert-msc51-cpp): always the same
  std::generate(words.begin(), words.end(), random);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bytes
  const auto* data = reinterpret_cast<const char*>(words.data());
  for (std::uint64_t done = 0; done < bytes;) {
    words[0] = static_cast<std::uint32_t>(done / kPieceBytes);
    const auto piece = std::min<std::uint64_t>(bytes - done, kPieceBytes);
    FODC_RETURN_IF_ERROR(WriteAll(fd, std::string_view(data, piece), path));
    done += piece;
  }
  return {};
}

Status MakeFile(const std::string& path, std::uint64_t bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  FODC_RETURN_IF_ERROR(CheckIsOnDisk(fd.get(), path));
  struct stat s {};
  if (::fstat(fd.get(), &s) != 0) return ErrnoStatus(errno, "stat " + path);
  if (static_cast<std::uint64_t>(s.st_size) != bytes) {
    if (::ftruncate(fd.get(), 0) != 0)
      return ErrnoStatus(errno, "truncate " + path);
    FODC_RETURN_IF_ERROR(Fill(fd.get(), path, bytes));
  }
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync " + path);
  if (const int e = ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED))
    return ErrnoStatus(e, "fadvise " + path);
  return {};
}

}  // namespace

Status MakeDataFiles(const DataFiles& files) {
  FODC_RETURN_IF_ERROR(MakeFile(files.hot_path, files.hot_bytes));
  return MakeFile(files.wide_path, files.wide_bytes);
}

}  // namespace fodc::hotnode
