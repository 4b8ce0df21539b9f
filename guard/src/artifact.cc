// SPDX-License-Identifier: Apache-2.0
#include "artifact.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "directory_scan.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr std::size_t kMaxComponentBytes = 100;
// Of the root: the rest is for an artifact's id, its file and ".tmp".
constexpr std::size_t kMaxRootBytes = PATH_MAX - 512;

// A path in memory of its own, always with a terminating 0.
class Path {
 public:
  Path(const char* root, std::string_view id, std::string_view name = {},
       std::string_view suffix = {}) {
    Add(root);
    if (!id.empty()) Add("/");
    Add(id);
    if (!name.empty()) Add("/");
    Add(name);
    Add(suffix);
  }
  const char* c_str() const { return text_; }

 private:
  void Add(std::string_view piece) {
    const std::size_t n = std::min(piece.size(), sizeof(text_) - 1 - size_);
    if (n > 0) std::memcpy(text_ + size_, piece.data(), n);
    size_ += n;
    text_[size_] = 0;
  }
  char text_[PATH_MAX];
  std::size_t size_ = 0;
};

int SyncAndClose(int fd) {
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  (void)::close(fd);
  return error;
}

int SyncPath(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? errno : SyncAndClose(fd);
}

int WriteFile(const char* path, std::string_view bytes) {
  const int fd =
      ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      (void)::close(fd);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return SyncAndClose(fd);
}

bool HasPanicFile(int root, const char* id) {
  std::array<char, NAME_MAX + sizeof(kPanicFile) + 1> path{};
  const std::size_t n = std::strlen(id);
  if (n > NAME_MAX) return false;
  std::memcpy(path.data(), id, n);
  path[n] = '/';
  std::memcpy(path.data() + n + 1, kPanicFile, sizeof(kPanicFile));
  struct stat st {};
  return ::fstatat(root, id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(st.st_mode) &&
         ::fstatat(root, path.data(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(st.st_mode);
}

// panic.json goes last: while it is there the artifact counts and is found
// again by the next pruning.
int RemoveArtifact(int root, const char* id) {
  const int fd =
      ::openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : errno;
  DirectoryScan scan(fd);
  while (const char* name = scan.Next()) {
    if (std::strcmp(name, kPanicFile) != 0) (void)::unlinkat(fd, name, 0);
  }
  int error = ::unlinkat(fd, kPanicFile, 0) == 0 ? 0 : errno;
  (void)::close(fd);
  if (error != 0 && error != ENOENT) return error;
  error = ::unlinkat(root, id, AT_REMOVEDIR) == 0 ? 0 : errno;
  return error == ENOENT ? 0 : error;
}

// The first names in order, of all that are put in.
class FirstNames {
 public:
  static constexpr std::size_t kMax = 16;

  void Put(const char* name) {
    std::size_t at = size_;
    while (at > 0 && std::strcmp(name, names_[at - 1]) < 0) --at;
    if (at == kMax) return;
    if (size_ < kMax) ++size_;
    for (std::size_t i = size_ - 1; i > at; --i) {
      std::memcpy(names_[i], names_[i - 1], sizeof(names_[i]));
    }
    std::strncpy(names_[at], name, NAME_MAX);
    names_[at][NAME_MAX] = 0;
  }
  std::size_t size() const { return size_; }
  const char* at(std::size_t i) const { return names_[i]; }

 private:
  char names_[kMax][NAME_MAX + 1];
  std::size_t size_ = 0;
};

}  // namespace

std::string CleanComponent(std::string_view component) {
  std::string clean = ToValidUtf8(component.substr(0, kMaxComponentBytes));
  // What was no UTF-8 has grown. No character is cut.
  while (clean.size() > kMaxComponentBytes) {
    std::size_t last = clean.size() - 1;
    while ((static_cast<unsigned char>(clean[last]) & 0xc0) == 0x80) --last;
    clean.resize(last);
  }
  for (char& c : clean) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f || c == '/' || c == '\\' || c == ':') c = '-';
  }
  const std::size_t first = clean.find_first_not_of('-');
  if (first == std::string::npos) return "unknown";
  return clean.substr(first, clean.find_last_not_of('-') - first + 1);
}

void AppendArtifactId(UnixTime t, std::string_view cleaned, pid_t pid,
                      RecordBuffer* out) {
  out->AppendStamp(t);
  out->Append("-");
  out->Append(cleaned);
  out->Append("-");
  out->AppendUint(static_cast<std::uint64_t>(pid));
}

Status PrepareRoot(const std::string& directory, std::string* root) {
  root->clear();
  if (directory.empty() || directory.find('\0') != std::string::npos) {
    return InvalidArgument("the directory of crash artifacts is no path");
  }
  std::string absolute = directory;
  if (directory[0] != '/') {
    std::array<char, PATH_MAX> here{};
    if (::getcwd(here.data(), here.size()) == nullptr) {
      return ErrnoStatus(errno, "getcwd");
    }
    absolute = StrCat(here.data(), "/", directory);
  }
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  if (absolute.size() > kMaxRootBytes) {
    return InvalidArgument(StrCat("the path of crash artifacts has ",
                                  absolute.size(), " bytes; the limit is ",
                                  kMaxRootBytes));
  }
  *root = std::move(absolute);
  return MakeDirectories(*root, 0755);
}

int MakeArtifact(const char* root, std::string_view id) {
  const Path path(root, id);
  if (::mkdir(path.c_str(), 0755) == 0) return 0;
  if (errno != ENOENT) return errno;
  if (::mkdir(root, 0755) != 0 && errno != EEXIST) return errno;
  return ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
}

int WriteIntoArtifact(const char* root, std::string_view id, const char* name,
                      std::string_view bytes) {
  const Path temporary(root, id, name, ".tmp");
  int error = WriteFile(temporary.c_str(), bytes);
  if (error == 0 &&
      ::rename(temporary.c_str(), Path(root, id, name).c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    (void)::unlink(temporary.c_str());
    return error;
  }
  // The file is there for all who live; only a power failure could take what
  // these two do not reach.
  (void)SyncPath(Path(root, id).c_str());
  (void)SyncPath(root);
  return 0;
}

void RemoveUnfinished(const char* root, std::string_view id) {
  (void)::unlink(Path(root, id, kStateDumpFile).c_str());
  (void)::rmdir(Path(root, id).c_str());
}

int PruneArtifacts(const char* root, std::size_t keep,
                   std::string_view spared) {
  if (keep == 0) return 0;
  const int fd = ::open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = 0;
  for (bool is_more = true; is_more && error == 0;) {
    FirstNames first;
    std::size_t count = 0;
    DirectoryScan scan(fd);
    while (const char* name = scan.Next()) {
      if (!HasPanicFile(fd, name)) continue;
      ++count;
      if (name != spared) first.Put(name);
    }
    std::size_t surplus = count > keep ? count - keep : 0;
    is_more = surplus > FirstNames::kMax;
    if (surplus > first.size()) surplus = first.size();
    for (std::size_t i = 0; i < surplus; ++i) {
      const int failed = RemoveArtifact(fd, first.at(i));
      if (failed != 0) error = failed;
    }
  }
  (void)::close(fd);
  return error;
}

}  // namespace fodc::guard
