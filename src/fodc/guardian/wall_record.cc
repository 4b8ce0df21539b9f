// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/wall_record.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "fodc/base/file.h"
#include "fodc/base/kept_text.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {
namespace {

constexpr std::string_view kHead = "fodc-wall 2\n";
constexpr std::string_view kPrefix = "guardian-wall-";
constexpr std::size_t kMaxRecordBytes = 8192;

// Cause files of targets may begin the same.
bool IsRecordName(std::string_view name) {
  if (!ConsumePrefix(&name, kPrefix)) return false;
  const std::size_t dash = name.find('-');
  return dash != std::string_view::npos &&
         ParseUint(name.substr(0, dash)).has_value() &&
         ParseUint(name.substr(dash + 1)).has_value();
}

Status WriteTo(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, path);
  return WriteAll(fd.get(), text, path);
}

// That very group, of cgroup v1: whatever the record says, no other file is
// written to.
bool IsThere(const WallRecord& record) {
  struct stat s {};
  struct statfs fs {};
  return ::stat(record.path.c_str(), &s) == 0 && S_ISDIR(s.st_mode) &&
         s.st_ino == record.inode && ::statfs(record.path.c_str(), &fs) == 0 &&
         fs.f_type == CGROUP_SUPER_MAGIC;
}

// The number in a file of the kernel's.
bool Is(const std::string& path, std::uint64_t number) {
  const auto text = ReadFile(path);
  return text.ok() && ParseUint(Trim(*text)) == number;
}

std::string Undo(const WallRecord& record) {
  std::string said = record.path + ":";
  const auto control = ReadFile(record.path + "/memory.oom_control");
  if (control.ok() &&
      control->find("oom_kill_disable 1") != std::string::npos) {
    const Status on = WriteTo(record.path + "/memory.oom_control", "0");
    said += on.ok() ? " its killer is on again" : " " + on.message();
  }
  const std::string limit = record.path + "/memory.limit_in_bytes";
  const std::string memsw = record.path + "/memory.memsw.limit_in_bytes";
  if (Is(limit, record.limit_bytes)) {
    // Never raised, or lowered again.
  } else if (Is(limit, record.raised_bytes)) {
    Status lowered = WriteTo(limit, std::to_string(record.limit_bytes));
    if (lowered.ok() && record.memsw_bytes != 0 &&
        Is(memsw, record.raised_bytes)) {
      lowered = WriteTo(memsw, std::to_string(record.memsw_bytes));
    }
    said += lowered.ok() ? " its limit is as it was" : " " + lowered.message();
  } else {
    said += " its limit is left as somebody else has set it";
  }
  return said.back() == ':' ? "" : said;
}

}  // namespace

std::string EncodeWallRecord(const WallRecord& r) {
  return SealText(kHead, StrCat(r.path, "\n", r.inode, " ", r.limit_bytes, " ",
                                r.memsw_bytes, " ", r.raised_bytes, "\n"));
}

Result<WallRecord> DecodeWallRecord(std::string_view text) {
  FODC_ASSIGN_OR_RETURN(std::string_view rest, UnsealText(kHead, text));
  WallRecord r;
  std::string_view line;
  if (NextLine(&rest, &line)) r.path = line;
  if (!NextLine(&rest, &line) || !rest.empty() || !r.path.starts_with('/') ||
      r.path.find("/..") != std::string::npos) {
    return DataLoss("no record of a group");
  }
  const auto inode = NextUint(&line);
  const auto limit = NextUint(&line);
  const auto memsw = NextUint(&line);
  const auto raised = NextUint(&line);
  if (!inode || !limit || !memsw || !raised || *limit == 0 ||
      *raised < *limit || !Trim(line).empty()) {
    return DataLoss("no record of a group");
  }
  r.inode = *inode;
  r.limit_bytes = *limit;
  r.memsw_bytes = *memsw;
  r.raised_bytes = *raised;
  return r;
}

std::string WallRecordName(const ProcessName& who) {
  return StrCat(kPrefix, who.pid, "-", who.start_ticks);
}

std::vector<std::string> RepairWalls(const std::string& directory) {
  std::vector<std::string> said;
  const auto names = ListDirectory(directory);
  if (!names.ok()) return said;
  for (const std::string& name : *names) {
    if (!IsRecordName(name)) continue;
    const std::string path = StrCat(directory, "/", name);
    const auto text = ReadFile(path, kMaxRecordBytes);
    const auto record =
        text.ok() ? DecodeWallRecord(*text) : Result<WallRecord>(text.status());
    if (!record.ok()) {
      said.push_back(StrCat(path, ": ", record.status().message()));
    } else if (IsThere(*record)) {
      if (std::string undone = Undo(*record); !undone.empty())
        said.push_back(std::move(undone));
    }
    (void)::unlink(path.c_str());
  }
  return said;
}

}  // namespace fodc::guardian
