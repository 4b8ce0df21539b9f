// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/artifact_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_files.h"

namespace fodc::evidence {
namespace {

// The kernel is told to write so much at a time, so that a large artifact is
// not all in its cache, to be waited for at the commit.
constexpr std::uint64_t kWriteBackBytes = 8 << 20;

}  // namespace

ArtifactSink::ArtifactSink(std::shared_ptr<EventFilesOnDisk> files,
                           std::string name, UniqueFd fd,
                           std::uint64_t max_bytes)
    : files_(std::move(files)),
      name_(std::move(name)),
      fd_(std::move(fd)),
      max_bytes_(max_bytes) {
  buffer_.reserve(kSinkBufferBytes);
}

ArtifactSink::~ArtifactSink() { Discard(); }

Status ArtifactSink::Fail(Status status) {
  status_ = std::move(status);
  return status_;
}

Status ArtifactSink::Append(std::string_view bytes) {
  if (!status_.ok()) return status_;
  if (!fd_.ok()) return FailedPrecondition(name_ + " is finished");
  const std::uint64_t within =
      std::min<std::uint64_t>(bytes.size(), max_bytes_ - this->bytes());
  const std::uint64_t taken = files_->budget().Take(within);
  charged_ += taken;
  const std::size_t offered = bytes.size();
  bytes = bytes.substr(0, taken);
  while (!bytes.empty()) {
    if (buffer_.empty() && bytes.size() >= kSinkBufferBytes) {
      const std::string_view piece =
          bytes.substr(0, bytes.size() - bytes.size() % kSinkBufferBytes);
      if (Status s = Write(piece); !s.ok()) return Fail(std::move(s));
      bytes.remove_prefix(piece.size());
      continue;
    }
    const std::string_view piece =
        bytes.substr(0, kSinkBufferBytes - buffer_.size());
    buffer_ += piece;
    bytes.remove_prefix(piece.size());
    if (buffer_.size() < kSinkBufferBytes) continue;
    if (Status s = Flush(); !s.ok()) return Fail(std::move(s));
  }
  if (within < offered) {
    return Fail(ResourceExhausted(
        StrCat(name_, " is larger than the limit of ", max_bytes_, " bytes")));
  }
  if (taken < offered) {
    return Fail(ResourceExhausted(
        StrCat(name_, ": the event has used up its bytes of the disk")));
  }
  return OkStatus();
}

Status ArtifactSink::Flush() {
  Status status = Write(buffer_);
  buffer_.clear();
  return status;
}

Status ArtifactSink::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write " + name_);
    const auto written = static_cast<std::size_t>(n);
    sha256_.Update(bytes.substr(0, written));
    written_ += written;
    bytes.remove_prefix(written);
  }
  if (written_ - sent_to_disk_ >= kWriteBackBytes) {
    // Advice: the sync at the commit is what counts.
    (void)::sync_file_range(fd_.get(), static_cast<off64_t>(sent_to_disk_),
                            static_cast<off64_t>(written_ - sent_to_disk_),
                            SYNC_FILE_RANGE_WRITE);
    sent_to_disk_ = written_;
  }
  return OkStatus();
}

Result<ArtifactDigest> ArtifactSink::Finish() {
  if (!fd_.ok()) return FailedPrecondition(name_ + " is finished");
  const auto finish = [this]() -> Status {
    FODC_RETURN_IF_ERROR(Flush());
    return files_->directory().Rename(PartName(name_), name_);
  };
  if (Status s = finish(); !s.ok()) {
    Discard();
    return s;
  }
  files_->budget().GiveBack(charged_ - written_);
  files_->Finished(name_, std::move(fd_));
  return ArtifactDigest{.bytes = written_, .sha256 = sha256_.Hex()};
}

void ArtifactSink::Discard() {
  if (!fd_.ok()) return;
  fd_.reset();
  files_->directory().RemoveFile(PartName(name_)).IgnoreError();
  files_->budget().GiveBack(charged_);
  files_->Discarded();
}

}  // namespace fodc::evidence
