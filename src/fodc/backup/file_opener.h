// SPDX-License-Identifier: Apache-2.0
// Opens files by their paths below a directory, one after the other, without
// following a link.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {

// Holds the directory of the last one: neighbours cost one open(2). Not
// thread-safe.
class FileOpener {
 public:
  static Result<FileOpener> Create(const std::string& directory) {
    FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(directory));
    return FileOpener(std::move(root));
  }

  // A regular file, for reading. Errors: as Directory::OpenFile.
  Result<UniqueFd> Open(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == path.npos) return root_.OpenFile(path);
    const std::string_view above = path.substr(0, slash);
    if (!last_ || above_ != above) {
      last_.reset();
      FODC_ASSIGN_OR_RETURN(last_, OpenAbove(above));
      above_ = above;
    }
    return last_->OpenFile(path.substr(slash + 1));
  }

 private:
  explicit FileOpener(Directory root) : root_(std::move(root)) {}

  Result<Directory> OpenAbove(std::string_view path) const {
    std::optional<Directory> at;
    for (;;) {
      const std::size_t slash = path.find('/');
      FODC_ASSIGN_OR_RETURN(
          at, (at ? *at : root_).OpenDirectory(path.substr(0, slash)));
      if (slash == path.npos) return *std::move(at);
      path.remove_prefix(slash + 1);
    }
  }

  Directory root_;
  std::string above_;
  std::optional<Directory> last_;
};

}  // namespace fodc::backup
