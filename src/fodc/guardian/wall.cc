// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/wall.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/wall_record.h"

namespace fodc::guardian {
namespace {

UniqueFd OpenFile(const std::string& path, int flags, Status* status) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.ok() && status->ok()) *status = ErrnoStatus(errno, path);
  return fd;
}

// Without allocating. The errno.
int WriteNumber(int fd, std::uint64_t number) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  const auto size = static_cast<std::size_t>(end - text);
  return ::pwrite(fd, text, size, 0) < 0 ? errno : 0;
}

// The text at the front of a kernel's file, in `*buffer`.
template <std::size_t N>
std::string_view ReadFront(int fd, char (*buffer)[N]) {
  const ssize_t n = ::pread(fd, *buffer, N, 0);
  return {*buffer, n > 0 ? static_cast<std::size_t>(n) : 0};
}

// A limit of the kernel's; nothing without one.
std::optional<std::uint64_t> ReadLimit(const UniqueFd& fd) {
  char buffer[32];
  if (!fd.ok()) return {};
  const auto limit = ParseMemoryLimit(Trim(ReadFront(fd.get(), &buffer)));
  return limit.ok() ? *limit : std::nullopt;
}

// The kernel keeps whole pages.
std::uint64_t Raised(std::uint64_t limit, std::uint64_t bytes) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return (limit + bytes) / page * page;
}

std::uint64_t AvailableBytes(int meminfo) {
  char buffer[512];
  std::string_view text = ReadFront(meminfo, &buffer);
  std::string_view line;
  while (NextLine(&text, &line)) {
    if (!ConsumePrefix(&line, "MemAvailable:")) continue;
    return NextUint(&line).value_or(0) * 1024;
  }
  return 0;
}

// Whether the agent itself would stand still with the group.
bool HoldsUs(const CgroupDirectory& group, const std::string& proc_root) {
  const auto ours = FindCgroup(proc_root, ::getpid());
  if (!ours.ok() || !ours->memory) return false;
  const std::string& path = ours->memory->path;
  return path == group.path || path.starts_with(group.path + "/");
}

}  // namespace

Result<std::unique_ptr<KernelWall>> KernelWall::Open(
    const MemoryGauge& gauge, std::string record, const std::string& proc_root,
    std::uint64_t raise_bytes) {
  const auto group = gauge.group();
  const auto& place = gauge.place();
  if (!gauge.has_cgroup_limit() || !group || !place || !place->memory ||
      group->path != place->memory->path ||
      group->version != CgroupVersion::kV1 || group->is_root) {
    return Unimplemented(
        "the limit is not that of a cgroup v1 of the target's own");
  }
  if (HoldsUs(*group, proc_root))
    return FailedPrecondition(group->path + " holds the agent, too");
  std::unique_ptr<KernelWall> wall(new KernelWall);
  const std::string& dir = group->path;
  const std::string control = dir + "/memory.oom_control";
  Status status;
  wall->control_read_ = OpenFile(control, O_RDONLY, &status);
  wall->control_write_ = OpenFile(control, O_WRONLY, &status);
  wall->limit_ = OpenFile(dir + "/memory.limit_in_bytes", O_RDWR, &status);
  wall->meminfo_ = OpenFile(proc_root + "/meminfo", O_RDONLY, &status);
  FODC_RETURN_IF_ERROR(status);
  if (wall->HasControl("oom_kill_disable 1")) {
    return FailedPrecondition(control +
                              ": somebody else has switched the killer off");
  }
  // Absent without accounting of swap.
  Status no_swap;
  wall->memsw_ =
      OpenFile(dir + "/memory.memsw.limit_in_bytes", O_RDWR, &no_swap);
  wall->event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wall->event_.ok()) return ErrnoStatus(errno, "eventfd");
  const std::string events = dir + "/cgroup.event_control";
  const UniqueFd events_fd = OpenFile(events, O_WRONLY, &status);
  FODC_RETURN_IF_ERROR(status);
  FODC_RETURN_IF_ERROR(WriteAll(
      events_fd.get(),
      StrCat(wall->event_.get(), " ", wall->control_read_.get()), events));
  struct stat s {};
  if (::stat(dir.c_str(), &s) != 0) return ErrnoStatus(errno, dir);
  FODC_RETURN_IF_ERROR(WriteFileAtomically(
      record, EncodeWallRecord(
                  {.path = dir,
                   .inode = s.st_ino,
                   .limit_bytes = gauge.limit_bytes(),
                   .memsw_bytes = ReadLimit(wall->memsw_).value_or(0),
                   .raised_bytes = Raised(gauge.limit_bytes(), raise_bytes)})));
  wall->record_ = std::move(record);
  return wall;
}

KernelWall::~KernelWall() {
  if (record_.empty()) return;
  Release();
  Lower();
  (void)::unlink(record_.c_str());
}

bool KernelWall::HasControl(std::string_view line) const {
  char buffer[256];
  return ReadFront(control_read_.get(), &buffer).find(line) !=
         std::string_view::npos;
}

int KernelWall::Hold() {
  const int error = WriteNumber(control_write_.get(), 1);
  is_held_ = error == 0;
  return error;
}

void KernelWall::Release() {
  if (!is_held_) return;
  is_held_ = false;
  (void)WriteNumber(control_write_.get(), 0);
}

RaiseResult KernelWall::Raise(std::uint64_t bytes, int* error) {
  *error = 0;
  if (raised_bytes_ != 0 || AvailableBytes(meminfo_.get()) < bytes)
    return RaiseResult::kRefused;
  // Perhaps not that of Open: somebody may have changed it weeks later.
  const std::optional<std::uint64_t> limit = ReadLimit(limit_);
  if (!limit) return RaiseResult::kRefused;  // there is none any more
  const std::uint64_t raised = Raised(*limit, bytes);
  // That of memory and swap is never below that of memory.
  const std::uint64_t memsw = ReadLimit(memsw_).value_or(raised);
  if (memsw < raised) *error = WriteNumber(memsw_.get(), raised);
  if (*error == 0) *error = WriteNumber(limit_.get(), raised);
  if (*error != 0) return RaiseResult::kFailed;
  raised_bytes_ = raised;
  limit_bytes_ = *limit;
  memsw_bytes_ = memsw < raised ? memsw : 0;
  return RaiseResult::kDone;
}

void KernelWall::Lower() {
  if (raised_bytes_ == 0) return;
  if (ReadLimit(limit_) == raised_bytes_) {
    if (WriteNumber(limit_.get(), limit_bytes_) != 0) return;
    if (memsw_bytes_ != 0 && ReadLimit(memsw_) == raised_bytes_)
      (void)WriteNumber(memsw_.get(), memsw_bytes_);
  }
  raised_bytes_ = 0;
}

void KernelWall::DrainEvents() {
  std::uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

}  // namespace fodc::guardian
