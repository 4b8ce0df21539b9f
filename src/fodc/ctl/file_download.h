// SPDX-License-Identifier: Apache-2.0
// A file that comes piece by piece and gets its name when it is whole.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::ctl {

// Blocks. What it wrote is removed with it unless Publish succeeded.
class FileDownload {
 public:
  // Makes a file with a name of its own in `directory`, so that it can be
  // renamed there. Errors: as mkstemp(3).
  static Result<FileDownload> Begin(const std::string& directory);
  ~FileDownload();
  FileDownload(FileDownload&& other) noexcept;
  FileDownload& operator=(FileDownload&&) = delete;

  Status Append(std::string_view bytes);
  // The name that it has until then.
  const std::string& path() const { return path_; }
  // After the last Append: syncs it and gives it its name, in the same
  // directory. Errors: kAlreadyExists if there is something of that name and
  // `replace` is false.
  Status Publish(const std::string& path, bool replace);

 private:
  FileDownload(UniqueFd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;  // empty: published, or moved from
};

}  // namespace fodc::ctl
