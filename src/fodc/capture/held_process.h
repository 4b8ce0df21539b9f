// SPDX-License-Identifier: Apache-2.0
// One process by descriptors: whatever takes its pid later is not taken for it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "fodc/base/directory.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/capture/capture_request.h"

namespace fodc::capture {

// What was read of a file, and whether there is more.
struct FilePiece {
  std::string text;
  bool is_cut = false;
};

// A file of `directory`, `max_bytes` at most. Errors: as open(2) and read(2).
Result<FilePiece> ReadPiece(const Directory& directory, std::string_view name,
                            std::size_t max_bytes);

// Thread-safe: nothing in it changes.
class HeldProcess {
 public:
  // Errors: kNotFound if it is gone or its pid is another's by now; as open(2).
  static Result<HeldProcess> Open(const std::string& proc_root,
                                  const CaptureProcess& process);

  pid_t pid() const { return process_.pid; }
  const std::string& proc_root() const { return proc_root_; }
  // /proc/<pid>. What is read through it fails (ESRCH) once it is gone.
  const Directory& directory() const { return directory_; }
  // False from its end on, also while it is a zombie.
  bool IsAlive() const;

 private:
  HeldProcess(std::string proc_root, const CaptureProcess& process,
              Directory directory, UniqueFd pidfd)
      : proc_root_(std::move(proc_root)),
        process_(process),
        directory_(std::move(directory)),
        pidfd_(std::move(pidfd)) {}

  std::string proc_root_;
  CaptureProcess process_;
  Directory directory_;
  UniqueFd pidfd_;  // none before Linux 5.3
};

}  // namespace fodc::capture
