// SPDX-License-Identifier: Apache-2.0
// A kernel file that is read again and again through one descriptor.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc {

// Opened at the first read and kept. Not thread-safe.
class KeptFile {
 public:
  KeptFile() = default;
  explicit KeptFile(std::string path) : path_(std::move(path)) {}

  // The whole file from its start, in `*buffer`, whose capacity is kept: no
  // allocation once it is large enough. What it names is what was opened: the
  // file of a process or cgroup that is gone fails with kNotFound (ESRCH,
  // ENODEV), even if its pid or name is in use again.
  // Errors: as open(2) and pread(2); kResourceExhausted beyond 16 MiB. After
  // an error the file is opened anew by the next read.
  Result<std::string_view> Read(std::string* buffer);

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  UniqueFd fd_;
};

// A kernel file that may not be there or not be ours to read. After a failure
// it is not asked for again until Retry, so that an absent file costs nothing.
class OptionalFile {
 public:
  OptionalFile() = default;  // absent for ever
  explicit OptionalFile(std::string path) : file_(std::move(path)) {}

  void Retry() { has_failed_ = false; }
  // Nothing after a failure, which goes to `*error` (if given) when it occurs.
  std::optional<std::string_view> Read(std::string* buffer,
                                       Status* error = nullptr) {
    if (has_failed_ || file_.path().empty()) return {};
    Result<std::string_view> text = file_.Read(buffer);
    if (text.ok()) return *text;
    has_failed_ = true;
    if (error != nullptr) *error = std::move(text).status();
    return {};
  }

 private:
  KeptFile file_;
  bool has_failed_ = false;
};

}  // namespace fodc
