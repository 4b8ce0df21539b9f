// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/file_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/location.h"

namespace fodc::object_store {
namespace {

constexpr KeyRules kRules = {.max_bytes = 64u << 10, .is_text = false};
constexpr std::size_t kPageKeys = 1000;
constexpr std::size_t kPieceBytes = 1u << 20;
// Beyond this much the kernel is told to write, so that a Sync finds little.
constexpr std::uint64_t kWriteEvery = 16u << 20;
constexpr std::size_t kMaxParts = 64;
// Of files or directories that are synced together.
constexpr std::size_t kMany = 32;
// What is younger may be written just now.
constexpr std::chrono::hours kPartAge{1};
// The least byte above a '/'.
constexpr char kBehindSlash = '/' + 1;

std::string_view ParentOf(std::string_view key) {
  const std::size_t slash = key.rfind('/');
  return slash == key.npos ? std::string_view() : key.substr(0, slash);
}
std::string_view NameOf(std::string_view key) {
  return key.substr(key.rfind('/') + 1);  // npos + 1 is 0
}

// The same for the same key: what a crash leaves is written over.
std::string PartOf(std::string_view key) {
  Digester digester;
  digester.Update(NameOf(key));
  return StrCat(FileStore::kPartPrefix,
                Sha256Text(digester.Finish().sha256).substr(0, 32));
}

Status CheckFileKey(std::string_view key) {
  FODC_RETURN_IF_ERROR(CheckKey(key, kRules));
  for (const std::string_view part : Split(key, '/')) {
    if (part.size() > NAME_MAX) {
      return InvalidArgument(StrCat("key ", key, " has a name of ", part.size(),
                                    " bytes; files have ", NAME_MAX));
    }
    if (part.starts_with(FileStore::kPartPrefix)) {
      return InvalidArgument(StrCat("key ", key,
                                    " has a name that begins with ",
                                    FileStore::kPartPrefix));
    }
  }
  return OkStatus();
}

bool IsObject(const TreeEntry& entry) {
  return entry.is_file() && !entry.name.starts_with(FileStore::kPartPrefix);
}

ObjectInfo InfoOf(std::string key, const struct stat& stat) {
  return {.key = std::move(key),
          .bytes = static_cast<std::uint64_t>(stat.st_size),
          .modified = UnixTime(std::chrono::seconds(stat.st_mtim.tv_sec) +
                               std::chrono::nanoseconds(stat.st_mtim.tv_nsec))};
}

// Made new, in place of what a crash left. That is looked for only where it is
// in the way: to remove what is not there, too, locks the directory.
Result<UniqueFd> CreatePart(const Directory& directory,
                            const std::string& part) {
  auto created = directory.CreateFile(part, 0640);
  if (created.status().code() != Code::kAlreadyExists) return created;
  FODC_RETURN_IF_ERROR(directory.RemoveFile(part));
  return directory.CreateFile(part, 0640);
}

Status Stopped(std::stop_token stop) {
  return stop.stop_requested() ? Cancelled("stopped") : OkStatus();
}

}  // namespace

FileStore::FileStore(std::string directory, const Clock& clock, Pace* bandwidth)
    : path_(std::move(directory)),
      name_("file://" + path_),
      clock_(clock),
      bandwidth_(bandwidth) {}

FileStore::~FileStore() {
  const MutexLock lock(mutex_);
  for (const Waiting& w : waiting_)
    w.directory->RemoveFile(PartOf(w.key)).IgnoreError();
}

Status FileStore::Prepare(std::stop_token /*stop*/) {
  {
    const MutexLock lock(mutex_);
    failure_ = OkStatus();
  }
  return MakeDirectories(path_, 0755).WithContext(name_);
}

Result<FileStore::DirectoryRef> FileStore::Root() {
  const MutexLock lock(mutex_);
  if (root_ == nullptr) {
    FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(path_));
    root_ = std::make_shared<const Directory>(std::move(root));
  }
  return root_;
}

Result<FileStore::DirectoryRef> FileStore::MakeAt(const DirectoryRef& above,
                                                  std::string_view path,
                                                  std::string_view name) {
  const Status made = above->MakeDirectory(name, 0755);
  if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
  if (made.ok()) {
    const MutexLock lock(mutex_);
    changed_.emplace(path);
  }
  FODC_ASSIGN_OR_RETURN(Directory next, above->OpenDirectory(name));
  return std::make_shared<const Directory>(std::move(next));
}

Result<FileStore::DirectoryRef> FileStore::DirectoryOf(std::string_view key,
                                                       bool make) {
  const std::string_view path = ParentOf(key);
  FODC_ASSIGN_OR_RETURN(DirectoryRef at, Root());
  if (path.empty()) return at;
  {
    const MutexLock lock(mutex_);
    if (last_ != nullptr && last_path_ == path && !last_->is_removed())
      return last_;
  }
  std::size_t done = 0;  // bytes of the path that `at` is
  for (const std::string_view part : Split(path, '/')) {
    auto next = at->OpenDirectory(part);
    if (next.ok()) {
      at = std::make_shared<const Directory>(*std::move(next));
    } else if (make && next.status().code() == Code::kNotFound) {
      FODC_ASSIGN_OR_RETURN(at, MakeAt(at, path.substr(0, done), part));
    } else {
      return next.status();
    }
    done += part.size() + (done > 0 ? 1 : 0);
  }
  const MutexLock lock(mutex_);
  last_path_ = path;
  last_ = at;
  return at;
}

Result<ListPage> FileStore::List(const ListRequest& request,
                                 std::stop_token stop) {
  if (!request.delimiter.empty() && request.delimiter != "/") {
    return Unimplemented(
        StrCat(name_, ": list with the delimiter ", request.delimiter));
  }
  FODC_ASSIGN_OR_RETURN(const DirectoryRef root, Root());
  Cursor cursor;
  {
    const MutexLock lock(mutex_);
    const ListRequest& known = cursor_.request;
    if (cursor_.walk != nullptr && !request.token.empty() &&
        known.token == request.token && known.prefix == request.prefix &&
        known.delimiter == request.delimiter) {
      cursor.walk = std::move(cursor_.walk);
    }
  }
  cursor.request = request;
  if (cursor.walk == nullptr) {
    FODC_ASSIGN_OR_RETURN(Directory own, Directory::Open(root->path()));
    cursor.walk = std::make_unique<TreeWalk>(std::move(own));
    // Behind the last key, or behind all keys of the last prefix.
    std::string from = std::max(request.prefix, request.token);
    if (!request.token.empty()) {
      if (from.ends_with('/')) {
        from.back() = kBehindSlash;
      } else {
        from.push_back('\0');
      }
    }
    FODC_RETURN_IF_ERROR(cursor.walk->Seek(from));
  }
  const std::size_t most =
      request.max_keys == 0 ? kPageKeys : std::min(request.max_keys, kPageKeys);
  ListPage page;
  std::string& last = cursor.request.token;
  while (page.objects.size() + page.prefixes.size() < most) {
    FODC_RETURN_IF_ERROR(Stopped(stop));
    auto next = cursor.walk->Next();
    if (!next.ok() && next.status().code() == Code::kNotFound) continue;
    if (!next.ok()) return next.status();
    if (!*next) return page;
    TreeEntry& entry = **next;
    if (!entry.key.starts_with(request.prefix)) {
      if (entry.key > request.prefix) return page;
      continue;
    }
    if (!IsObject(entry)) continue;
    const std::size_t slash = request.delimiter.empty()
                                  ? entry.key.npos
                                  : entry.key.find('/', request.prefix.size());
    if (slash != entry.key.npos) {
      last = entry.key.substr(0, slash + 1);
      page.prefixes.push_back(last);
      std::string behind = last;
      behind.back() = kBehindSlash;
      FODC_RETURN_IF_ERROR(cursor.walk->Seek(behind));
      continue;
    }
    last = entry.key;
    page.objects.push_back(InfoOf(std::move(entry.key), entry.stat));
  }
  page.next_token = last;
  const MutexLock lock(mutex_);
  cursor_ = std::move(cursor);
  return page;
}

Result<ObjectInfo> FileStore::Head(std::string_view key,
                                   std::stop_token /*stop*/) {
  FODC_RETURN_IF_ERROR(CheckFileKey(key));
  FODC_ASSIGN_OR_RETURN(const DirectoryRef directory, DirectoryOf(key, false));
  FODC_ASSIGN_OR_RETURN(const struct stat stat, directory->Stat(NameOf(key)));
  if (!S_ISREG(stat.st_mode))
    return NotFound(StrCat(name_, "/", key, " is no file"));
  return InfoOf(std::string(key), stat);
}

Status FileStore::Turn(std::uint64_t bytes, const std::stop_token& stop) {
  if (bandwidth_ == nullptr) return Stopped(stop);
  return WaitUnlessStopped(bandwidth_->Reserve(bytes), stop)
             ? OkStatus()
             : Cancelled("stopped");
}

std::size_t FileStore::PieceBytes(std::uint64_t bytes) const {
  const std::uint64_t most =
      bandwidth_ == nullptr
          ? kPieceBytes
          : std::min<std::uint64_t>(kPieceBytes, bandwidth_->piece());
  return std::clamp<std::uint64_t>(bytes, 1, most);
}

Status FileStore::WriteBlob(const Blob& blob, int fd, std::string_view what,
                            const std::stop_token& stop) {
  std::vector<char> buffer(PieceBytes(blob.bytes()));
  std::uint64_t asked = 0;
  for (std::uint64_t offset = 0; offset < blob.bytes();) {
    FODC_RETURN_IF_ERROR(Turn(buffer.size(), stop));
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          blob.ReadAt(offset, buffer.data(), buffer.size()));
    FODC_RETURN_IF_ERROR(WriteAll(fd, {buffer.data(), got}, what));
    offset += got;
    if (offset - asked < kWriteEvery && offset < blob.bytes()) continue;
    // Where it cannot, Sync does it all.
    (void)::sync_file_range(fd, static_cast<off_t>(asked),
                            static_cast<off_t>(offset - asked),
                            SYNC_FILE_RANGE_WRITE);
    asked = offset;
  }
  return OkStatus();
}

Status FileStore::Put(std::string_view key, const Blob& blob,
                      const Digests& /*digests*/, const PutOptions& options) {
  FODC_RETURN_IF_ERROR(CheckFileKey(key));
  Waiting file{.key = std::string(key)};
  FODC_ASSIGN_OR_RETURN(file.directory, DirectoryOf(key, true));
  const std::string part = PartOf(key);
  FODC_ASSIGN_OR_RETURN(file.fd, CreatePart(*file.directory, part));
  if (const Status s =
          WriteBlob(blob, file.fd.get(), StrCat(name_, "/", key), options.stop);
      !s.ok()) {
    file.directory->RemoveFile(part).IgnoreError();
    return s;
  }
  if (options.only_if_absent) return PutIfAbsent(file);
  std::vector<Waiting> batch;
  {
    const MutexLock lock(mutex_);
    waiting_.push_back(std::move(file));
    if (waiting_.size() >= kMaxWaiting) batch.swap(waiting_);
  }
  if (batch.empty()) return OkStatus();
  const MutexLock lock(sync_mutex_);
  return SyncWaiting(&batch);
}

// A name that is there is not replaced: link(2) fails then.
Status FileStore::PutIfAbsent(const Waiting& file) {
  const std::string part = PartOf(file.key);
  const std::string name(NameOf(file.key));
  const int dir = file.directory->fd();
  Status status;
  if (::fsync(file.fd.get()) != 0)
    status = ErrnoStatus(errno, StrCat("sync ", name_, "/", file.key));
  if (status.ok() && ::linkat(dir, part.c_str(), dir, name.c_str(), 0) != 0) {
    status = ErrnoStatus(errno, StrCat("link ", name_, "/", file.key));
  }
  file.directory->RemoveFile(part).IgnoreError();
  FODC_RETURN_IF_ERROR(status);
  return file.directory->Sync();
}

Status FileStore::Sync(std::stop_token /*stop*/) {
  const MutexLock sync_lock(sync_mutex_);
  std::vector<Waiting> batch;
  {
    const MutexLock lock(mutex_);
    batch.swap(waiting_);
  }
  Status s = SyncWaiting(&batch);
  if (s.ok()) s = SyncDirectories();
  // Of others, too: what one put, another may have had to make durable.
  const MutexLock lock(mutex_);
  if (failure_.ok()) failure_ = s;
  return failure_;
}

// All of the batch is written before the first gets its name.
Status FileStore::SyncWaiting(std::vector<Waiting>* batch) {
  Status first;
  const auto keep = [&first](Status s) {
    if (first.ok() && !s.ok()) first = std::move(s);
    return first.ok();
  };
  if (batch->size() >= kMany) {
    keep(SyncAll(batch->front().fd.get()));
  } else {
    for (const Waiting& w : *batch) {
      if (::fdatasync(w.fd.get()) != 0)
        keep(ErrnoStatus(errno, StrCat("sync ", name_, "/", w.key)));
    }
  }
  std::set<std::string> changed;
  for (const Waiting& w : *batch) {
    const std::string part = PartOf(w.key);
    if (!first.ok() || !keep(w.directory->Rename(part, NameOf(w.key)))) {
      w.directory->RemoveFile(part).IgnoreError();
      continue;
    }
    changed.emplace(ParentOf(w.key));
  }
  const MutexLock lock(mutex_);
  changed_.merge(changed);
  if (failure_.ok()) failure_ = first;
  return first;
}

// The journal is written once for many, where each would wait for it.
Status FileStore::SyncAll(int fd) const {
  return ::syncfs(fd) == 0 ? OkStatus()
                           : ErrnoStatus(errno, StrCat("sync ", name_));
}

Status FileStore::SyncDirectories() {
  std::set<std::string> paths;
  {
    const MutexLock lock(mutex_);
    paths.swap(changed_);
  }
  if (paths.size() >= kMany) {
    FODC_ASSIGN_OR_RETURN(const DirectoryRef root, Root());
    return SyncAll(root->fd());
  }
  for (const std::string& path : paths) {
    // As if of a file in it.
    const auto directory = DirectoryOf(path.empty() ? "x" : path + "/x", false);
    if (!directory.ok() && directory.status().code() == Code::kNotFound)
      continue;  // it was deleted
    if (!directory.ok()) return directory.status();
    FODC_RETURN_IF_ERROR((*directory)->Sync());
  }
  return OkStatus();
}

Result<ObjectInfo> FileStore::Get(std::string_view key,
                                  const GetOptions& options,
                                  const ByteSink& sink) {
  FODC_RETURN_IF_ERROR(CheckFileKey(key));
  FODC_ASSIGN_OR_RETURN(const DirectoryRef directory, DirectoryOf(key, false));
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, directory->OpenFile(NameOf(key)));
  struct stat stat {};
  if (::fstat(fd.get(), &stat) != 0)
    return ErrnoStatus(errno, StrCat("stat ", name_, "/", key));
  ObjectInfo info = InfoOf(std::string(key), stat);
  const FileBlob blob(std::move(fd), info.bytes, StrCat(name_, "/", key));
  std::uint64_t offset = std::min(options.offset, info.bytes);
  const std::uint64_t end =
      options.bytes ? offset + std::min(*options.bytes, info.bytes - offset)
                    : info.bytes;
  std::vector<char> buffer(PieceBytes(end - offset));
  while (offset < end) {
    FODC_RETURN_IF_ERROR(Turn(
        std::min<std::uint64_t>(buffer.size(), end - offset), options.stop));
    FODC_ASSIGN_OR_RETURN(
        const std::size_t got,
        blob.ReadAt(offset, buffer.data(),
                    std::min<std::uint64_t>(buffer.size(), end - offset)));
    FODC_RETURN_IF_ERROR(sink({buffer.data(), got}));
    offset += got;
  }
  return info;
}

void FileStore::Prune(std::string_view key) {
  for (std::string_view path = ParentOf(key); !path.empty();
       path = ParentOf(path)) {
    const auto above = DirectoryOf(path, false);
    const auto directory = DirectoryOf(StrCat(path, "/x"), false);
    if (!above.ok() || !directory.ok()) return;
    // What a crash left of keys that nobody puts any more.
    const auto names = (*directory)->List(kMaxParts);
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      const auto stat = (*directory)->Stat(name);
      if (!name.starts_with(kPartPrefix) || !stat.ok()) return;
      if (clock_.Unix() - InfoOf("", *stat).modified < kPartAge) return;
      (*directory)->RemoveFile(name).IgnoreError();
    }
    if (!(*above)->RemoveDirectory(NameOf(path)).ok()) return;
  }
}

Status FileStore::DeleteOne(std::string_view key) {
  FODC_RETURN_IF_ERROR(CheckFileKey(key));
  const auto directory = DirectoryOf(key, false);
  if (!directory.ok() && directory.status().code() == Code::kNotFound)
    return OkStatus();
  if (!directory.ok()) return directory.status();
  FODC_RETURN_IF_ERROR((*directory)->RemoveFile(PartOf(key)));
  FODC_RETURN_IF_ERROR((*directory)->RemoveFile(NameOf(key)));
  Prune(key);
  return OkStatus();
}

Status FileStore::Delete(const std::vector<std::string>& keys,
                         std::stop_token stop) {
  // Nothing goes before what was put in its place is there to stay.
  FODC_RETURN_IF_ERROR(Sync(stop));
  Status first;
  for (const std::string& key : keys) {
    FODC_RETURN_IF_ERROR(Stopped(stop));
    Status s = DeleteOne(key).WithContext(StrCat("delete ", name_, "/", key));
    if (first.ok()) first = std::move(s);
  }
  return first;
}

Status FileStore::Copy(std::string_view from, std::string_view to,
                       std::stop_token /*stop*/) {
  FODC_RETURN_IF_ERROR(CheckFileKey(from));
  FODC_RETURN_IF_ERROR(CheckFileKey(to));
  FODC_ASSIGN_OR_RETURN(const DirectoryRef source, DirectoryOf(from, false));
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, source->OpenFile(NameOf(from)));
  FODC_ASSIGN_OR_RETURN(const DirectoryRef target, DirectoryOf(to, true));
  const std::string part = PartOf(to);
  FODC_RETURN_IF_ERROR(target->RemoveFile(part));
  if (::linkat(source->fd(), std::string(NameOf(from)).c_str(), target->fd(),
               part.c_str(), 0) != 0) {
    return ErrnoStatus(errno, StrCat("link ", name_, "/", from, " to ", to));
  }
  FODC_RETURN_IF_ERROR(target->Rename(part, NameOf(to)));
  const MutexLock lock(mutex_);
  changed_.emplace(ParentOf(to));
  return OkStatus();
}

}  // namespace fodc::object_store
