// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/orphans.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fodc/base/file.h"

namespace fodc::backup {
namespace {

constexpr std::size_t kPieceBytes = 64u << 10;

}  // namespace

Status Orphans::Spill() {
  if (!fd_.ok()) {
    fd_.reset(
        ::open(file_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd_.ok()) return ErrnoStatus(errno, "open " + file_);
    (void)::unlink(file_.c_str());
  }
  FODC_RETURN_IF_ERROR(WriteAll(fd_.get(), keys_, file_));
  keys_.clear();
  return OkStatus();
}

Status Orphans::Add(std::string_view key) {
  keys_ += key;
  keys_.push_back('\0');
  ++size_;
  return keys_.size() > most_bytes_ ? Spill() : OkStatus();
}

Result<std::vector<std::string>> Orphans::Take(std::size_t most) {
  if (fd_.ok() && read_to_ == 0) {
    // The rest, behind what is there.
    FODC_RETURN_IF_ERROR(Spill());
  }
  std::vector<std::string> taken;
  while (taken.size() < most) {
    const std::size_t end = keys_.find('\0', at_);
    if (end != keys_.npos) {
      taken.push_back(keys_.substr(at_, end - at_));
      at_ = end + 1;
      continue;
    }
    if (!fd_.ok()) break;
    keys_.erase(0, std::exchange(at_, 0));
    const std::size_t before = keys_.size();
    keys_.resize(before + kPieceBytes);
    const ssize_t n = ::pread(fd_.get(), keys_.data() + before, kPieceBytes,
                              static_cast<off_t>(read_to_));
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "read " + file_);
    keys_.resize(before + static_cast<std::size_t>(n < 0 ? 0 : n));
    if (n > 0) read_to_ += static_cast<std::uint64_t>(n);
    if (n == 0) break;
  }
  return taken;
}

}  // namespace fodc::backup
