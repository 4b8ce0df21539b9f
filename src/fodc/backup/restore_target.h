// SPDX-License-Identifier: Apache-2.0
// The directory that a restore fills: files come under other names, and get
// their own when they are whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {

// A file on its way; removed unless it is placed. Not thread-safe.
class PartFile {
 public:
  PartFile(Directory directory, UniqueFd fd, std::string part, std::string name)
      : directory_(std::move(directory)),
        fd_(std::move(fd)),
        part_(std::move(part)),
        name_(std::move(name)) {}
  ~PartFile();
  PartFile(PartFile&&) noexcept = default;
  PartFile& operator=(PartFile&&) = delete;

  // For writing, at any place.
  int fd() const { return fd_.get(); }
  // The same file, for reading.
  Result<UniqueFd> Reopen() const { return directory_.OpenFile(part_); }
  Status Write(std::string_view bytes);
  // Makes it durable, and gives it its name, whatever has it now. Errors: as
  // fsync(2) and rename(2).
  Status Place();

 private:
  Directory directory_;
  UniqueFd fd_;  // none: it is placed
  std::string part_;
  std::string name_;
};

// Thread-safe.
class RestoreTarget {
 public:
  static Result<RestoreTarget> Open(const std::string& directory);

  // A file for `path`, whose directories are made if need be; a file that
  // stands where one of them is wanted goes. Errors: as open(2) and mkdir(2).
  Result<PartFile> Create(std::string_view path);
  // A file, with the directories that it leaves empty. One that is not there
  // is success.
  Status Delete(const std::string& path) const;
  // Whether it is one of the names that Create gives to what is on its way.
  bool IsPart(std::string_view name) const { return name.starts_with(parts_); }
  // All that was placed and deleted survives a crash of the machine.
  Status Sync() const;

 private:
  RestoreTarget(Directory root, std::string parts)
      : root_(std::move(root)),
        parts_(std::move(parts)),
        next_part_(std::make_unique<std::atomic<std::uint64_t>>(0)) {}
  Result<Directory> DirectoryOf(std::string_view path) const;

  Directory root_;
  std::string parts_;
  std::unique_ptr<std::atomic<std::uint64_t>> next_part_;
};

}  // namespace fodc::backup
