// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

struct CloseStream {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

// A descriptor of its own: the position in a directory belongs to it.
Result<std::unique_ptr<DIR, CloseStream>> Stream(const Directory& directory) {
  UniqueFd fd(
      ::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + directory.path());
  std::unique_ptr<DIR, CloseStream> stream(::fdopendir(fd.get()));
  if (stream == nullptr) return ErrnoStatus(errno, "open " + directory.path());
  (void)fd.release();
  return stream;
}

}  // namespace

// Names one after the other in one string: a directory may have a million.
struct TreeWalk::Level {
  struct Name {
    std::uint32_t at;
    std::uint16_t size;  // of a directory: with its '/'
  };

  std::string name{};                    // in the level above
  std::size_t prefix = 0;                // bytes of keys before its names
  std::optional<Directory> directory{};  // closed where the way is long
  std::string text{};
  std::vector<Name> names{};
  std::size_t next = 0;

  std::string_view View(const Name& n) const {
    return std::string_view(text).substr(n.at, n.size);
  }
};

TreeWalk::TreeWalk(Directory root) {
  levels_.push_back({.directory = std::move(root)});
}

TreeWalk::~TreeWalk() = default;

const Directory& TreeWalk::directory() const {
  return *levels_.back().directory;
}

Status TreeWalk::Load(Level* level, std::string_view from) {
  level->text.clear();
  level->names.clear();
  level->next = 0;
  FODC_ASSIGN_OR_RETURN(const auto stream, Stream(*level->directory));
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0)
      return ErrnoStatus(errno, "list " + level->directory->path());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      const auto stat = level->directory->Stat(name);
      if (!stat.ok() && stat.status().code() == Code::kNotFound) continue;
      if (!stat.ok()) return stat.status();
      is_directory = S_ISDIR(stat->st_mode);
    }
    level->names.push_back(
        {.at = static_cast<std::uint32_t>(level->text.size()),
         .size = static_cast<std::uint16_t>(name.size() + is_directory)});
    level->text += name;
    if (is_directory) level->text.push_back('/');
    if (level->text.size() > (std::size_t{1} << 31)) {
      return ResourceExhausted(level->directory->path() +
                               " has more names than two GiB hold");
    }
  }
  std::ranges::sort(level->names, {},
                    [level](const Level::Name& n) { return level->View(n); });
  if (from.empty()) return OkStatus();
  // The first whose keys may be at or above `from`.
  const auto first =
      std::ranges::find_if(level->names, [level, from](const Level::Name& n) {
        const std::string_view view = level->View(n);
        return view >= from || (view.ends_with('/') && from.starts_with(view));
      });
  level->next = static_cast<std::size_t>(first - level->names.begin());
  return OkStatus();
}

Status TreeWalk::Open(std::size_t depth) {
  std::size_t known = depth;
  while (!levels_[known].directory) --known;
  for (std::size_t i = known + 1; i <= depth; ++i) {
    FODC_ASSIGN_OR_RETURN(
        levels_[i].directory,
        levels_[i - 1].directory->OpenDirectory(levels_[i].name));
    // Those just above are needed next.
    if (i - 1 > known && i - 1 + kMaxOpen <= depth)
      levels_[i - 1].directory.reset();
  }
  return OkStatus();
}

Status TreeWalk::Enter(std::string_view from) {
  Level& above = levels_.back();
  const std::string_view view = above.View(above.names[above.next++]);
  Level level{.name = std::string(view.substr(0, view.size() - 1))};
  FODC_ASSIGN_OR_RETURN(level.directory,
                        above.directory->OpenDirectory(level.name));
  FODC_RETURN_IF_ERROR(Load(&level, from));
  path_ += view;
  level.prefix = path_.size();
  levels_.push_back(std::move(level));
  // Never the root, from which the others are found again.
  if (levels_.size() > kMaxOpen + 1)
    levels_[levels_.size() - kMaxOpen - 1].directory.reset();
  return OkStatus();
}

Result<std::optional<TreeEntry>> TreeWalk::Next() {
  if (!is_loaded_) FODC_RETURN_IF_ERROR(Seek({}));
  for (;;) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      if (levels_.size() == 1) return std::optional<TreeEntry>();
      levels_.pop_back();
      path_.resize(levels_.back().prefix);
      continue;
    }
    FODC_RETURN_IF_ERROR(Open(levels_.size() - 1));
    const std::string_view view = level.View(level.names[level.next]);
    if (view.ends_with('/')) {
      FODC_RETURN_IF_ERROR(Enter({}));
      continue;
    }
    ++level.next;
    TreeEntry entry{.key = path_ + std::string(view), .name = view};
    FODC_ASSIGN_OR_RETURN(entry.stat, level.directory->Stat(view));
    return std::optional<TreeEntry>(std::move(entry));
  }
}

Status TreeWalk::Seek(std::string_view key) {
  levels_.resize(1);
  path_.clear();
  is_loaded_ = true;
  FODC_RETURN_IF_ERROR(Load(&levels_[0], key));
  for (;;) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) return OkStatus();
    const std::string_view view = level.View(level.names[level.next]);
    if (!view.ends_with('/') || !key.starts_with(view)) return OkStatus();
    key.remove_prefix(view.size());
    FODC_RETURN_IF_ERROR(Enter(key));
  }
}

}  // namespace fodc::object_store
