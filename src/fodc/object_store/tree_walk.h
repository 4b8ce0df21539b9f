// SPDX-License-Identifier: Apache-2.0
// The files of a directory tree in the order in which stores list their keys.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/directory.h"
#include "fodc/base/status.h"

namespace fodc::object_store {

struct TreeEntry {
  std::string key;        // the path below the root, with '/'
  std::string_view name;  // its last part
  struct stat stat {};    // its own, if it is a link

  bool is_file() const { return S_ISREG(stat.st_mode); }
};

// Ascends by the bytes of whole keys: "a.b" comes before "a/b", since '.' is
// less than '/'. No link is followed, and no other file system is entered.
// Holds the names of the directories on the way to where it is, and at most
// kMaxOpen of them open, however deep that is. Not thread-safe.
class TreeWalk {
 public:
  static constexpr std::size_t kMaxOpen = 32;

  explicit TreeWalk(Directory root);
  ~TreeWalk();

  // The next entry that is no directory; absent at the end. A directory that
  // went away meanwhile is kNotFound, naming it; what goes on afterwards goes
  // on behind it. Other errors: as open(2), getdents(2) and stat(2).
  Result<std::optional<TreeEntry>> Next();
  // That of the entry that Next gave last, to open it by name.
  const Directory& directory() const;
  // Next gives the first of what is not below `key`.
  Status Seek(std::string_view key);

 private:
  struct Level;

  // The names of the level's directory, of which those before `from` are past.
  static Status Load(Level* level, std::string_view from);
  // Opens that level's directory, if it was closed.
  Status Open(std::size_t depth);
  // Goes down into the directory that is next; there, to `from`.
  Status Enter(std::string_view from);

  std::vector<Level> levels_;  // the root first
  std::string path_;           // of the last level; ends with '/' or is empty
  bool is_loaded_ = false;
};

}  // namespace fodc::object_store
