// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/held_process.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/pidfd.h"

namespace fodc::capture {
namespace {

constexpr std::size_t kStatBytes = 4096;

// Whether the directory is that of the process, and it has not ended.
Status CheckStat(const Directory& directory, const CaptureProcess& process) {
  FODC_ASSIGN_OR_RETURN(const FilePiece text,
                        ReadPiece(directory, "stat", kStatBytes));
  ProcessStat stat;
  FODC_RETURN_IF_ERROR(ParseProcessStat(text.text, &stat));
  if (stat.start_ticks != process.start_ticks) {
    return NotFound(StrCat("process ", process.pid, " is another one by now"));
  }
  if (stat.state == 'Z' || stat.state == 'X')
    return NotFound(StrCat("process ", process.pid, " has ended"));
  return OkStatus();
}

}  // namespace

Result<FilePiece> ReadPiece(const Directory& directory, std::string_view name,
                            std::size_t max_bytes) {
  constexpr std::size_t kAtOnce = 16384;
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, directory.OpenFile(name));
  FilePiece piece;
  for (;;) {
    const std::size_t had = piece.text.size();
    // One more than is wanted tells whether there is more.
    const std::size_t want = std::min(kAtOnce, max_bytes + 1 - had);
    piece.text.resize(had + want);
    const ssize_t n = ::read(fd.get(), piece.text.data() + had, want);
    piece.text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return ErrnoStatus(errno, StrCat("read ", directory.path(), "/", name));
    }
    if (n == 0) return piece;
    if (piece.text.size() > max_bytes) {
      piece.text.resize(max_bytes);
      piece.is_cut = true;
      return piece;
    }
  }
}

Result<HeldProcess> HeldProcess::Open(const std::string& proc_root,
                                      const CaptureProcess& process) {
  // In this order: what is opened before the check is what is checked.
  UniqueFd pidfd = target::OpenPidfd(process.pid);
  auto directory = Directory::Open(StrCat(proc_root, "/", process.pid));
  if (!directory.ok()) return std::move(directory).status();
  FODC_RETURN_IF_ERROR(CheckStat(*directory, process));
  return HeldProcess(proc_root, process, *std::move(directory),
                     std::move(pidfd));
}

bool HeldProcess::IsAlive() const {
  if (pidfd_.ok()) return !target::HasEnded(pidfd_.get());
  return CheckStat(directory_, process_).ok();
}

}  // namespace fodc::capture
