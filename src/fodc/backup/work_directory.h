// SPDX-License-Identifier: Apache-2.0
// Where a command keeps what does not stay in memory, for as long as it lasts.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {

// A new directory below $TMPDIR or /tmp, removed with it. What was left there
// by others of its name, that were killed, goes when it is made. Not
// thread-safe.
class WorkDirectory {
 public:
  // Errors: as mkdtemp(3), naming where.
  static Result<WorkDirectory> Make(std::string_view name, const Clock& clock);
  ~WorkDirectory();
  WorkDirectory(WorkDirectory&&) noexcept = default;
  WorkDirectory& operator=(WorkDirectory&&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const;

 private:
  WorkDirectory(std::string path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;  // none: another has it
};

}  // namespace fodc::backup
