// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/artifact_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fodc/base/strings.h"

namespace fodc::evidence {

Result<ArtifactReader> ArtifactReader::Make(UniqueFd fd, std::string sha256) {
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, "stat artifact");
  ArtifactReader reader;
  reader.fd_ = std::move(fd);
  reader.size_bytes_ = static_cast<std::uint64_t>(st.st_size);
  reader.sha256_ = std::move(sha256);
  reader.etag_ = reader.sha256_.empty()
                     ? StrCat('"', st.st_ino, '-', st.st_size, '-',
                              st.st_mtim.tv_sec, '-', st.st_mtim.tv_nsec, '"')
                     : StrCat('"', reader.sha256_, '"');
  return reader;
}

Result<std::size_t> ArtifactReader::ReadAt(std::uint64_t offset,
                                           std::span<char> buffer) const {
  std::size_t done = 0;
  while (done < buffer.size() && offset + done < size_bytes_) {
    const std::size_t want = std::min<std::uint64_t>(
        buffer.size() - done, size_bytes_ - offset - done);
    const ssize_t n = ::pread(fd_.get(), buffer.data() + done, want,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read artifact");
    if (n == 0) {
      return DataLoss(StrCat("the artifact has become shorter than ",
                             size_bytes_, " bytes"));
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

}  // namespace fodc::evidence
