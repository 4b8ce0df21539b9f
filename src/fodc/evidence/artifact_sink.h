// SPDX-License-Identifier: Apache-2.0
// One artifact on its way to disk: a small fixed buffer, whatever its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/sha256.h"

namespace fodc::evidence {

class EventFilesOnDisk;

// What a receipt says of a file.
struct ArtifactDigest {
  std::uint64_t bytes = 0;
  std::string sha256;
};

inline constexpr std::size_t kSinkBufferBytes = 64 << 10;

// Every function blocks as long as the disk does, the destructor, too. One
// owner at a time.
class ArtifactSink {
 public:
  // Removes the file unless it was finished.
  ~ArtifactSink();
  ArtifactSink(const ArtifactSink&) = delete;
  ArtifactSink& operator=(const ArtifactSink&) = delete;

  // Takes what fits. Errors: kResourceExhausted, naming the artifact and which
  // limit was met (its own, the event's, the disk's); as write(2). After one it
  // takes nothing more and says the same again, but may be finished: the file
  // then holds what came until then.
  Status Append(std::string_view bytes);

  // The file has its name. Errors: as write(2) and rename(2); then there is no
  // file.
  Result<ArtifactDigest> Finish();
  // No file: it is removed and gives its bytes back to the event's budget.
  void Discard();

  // That were appended.
  std::uint64_t bytes() const { return written_ + buffer_.size(); }

 private:
  friend class EventFilesOnDisk;
  ArtifactSink(std::shared_ptr<EventFilesOnDisk> files, std::string name,
               UniqueFd fd, std::uint64_t max_bytes);

  Status Fail(Status status);
  Status Flush();
  Status Write(std::string_view bytes);

  std::shared_ptr<EventFilesOnDisk> files_;
  const std::string name_;
  UniqueFd fd_;
  const std::uint64_t max_bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t sent_to_disk_ = 0;
  std::uint64_t charged_ = 0;  // to the event's budget
  std::string buffer_;
  Sha256 sha256_;
  Status status_;
};

}  // namespace fodc::evidence
