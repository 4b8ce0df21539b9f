// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/memory_gauge.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc {
namespace {

// Far more than any kernel's memory.stat.
constexpr std::size_t kTextBytes = 32u << 10;

// One file, opened once. The kernel gives such a file whole in one read.
struct Opened {
  std::string path;
  UniqueFd fd;

  explicit Opened(std::string p)
      : path(std::move(p)),
        fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        open_errno(fd.ok() ? 0 : errno) {}
  int open_errno;
};

// A group on the way from the process's own to the top that is visible.
struct Level {
  CgroupDirectory dir;
  Opened limit;
  Opened usage;
  Opened stat;

  explicit Level(CgroupDirectory d)
      : dir(std::move(d)),
        limit(StrCat(dir.path,
                     IsV2() ? "/memory.max" : "/memory.limit_in_bytes")),
        usage(StrCat(dir.path,
                     IsV2() ? "/memory.current" : "/memory.usage_in_bytes")),
        stat(dir.path + "/memory.stat") {}
  bool IsV2() const { return dir.version == CgroupVersion::kV2; }
};

std::vector<Level> OpenLevels(CgroupDirectory dir) {
  std::vector<Level> levels;
  for (;;) {
    levels.emplace_back(dir);
    if (dir.path.size() <= dir.mount.size()) return levels;
    dir.path.resize(dir.path.find_last_of('/'));
    dir.is_root = false;  // of no interest here
    if (dir.path.size() < dir.mount.size()) return levels;
  }
}

Result<std::uint64_t> ReadPhysicalBytes(const std::string& proc_root) {
  FODC_ASSIGN_OR_RETURN(const std::string text,
                        ReadFile(proc_root + "/meminfo"));
  std::string_view rest = text;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    if (NextField(&line) != "MemTotal:") continue;
    const std::optional<std::uint64_t> kib = NextUint(&line);
    if (kib && *kib > 0) return *kib * 1024;
  }
  return DataLoss(proc_root + "/meminfo does not tell MemTotal");
}

}  // namespace

struct MemoryGauge::Impl {
  Impl(MemoryGaugeOptions o, const std::string& process, std::uint64_t physical)
      : options(std::move(o)),
        statm(process + "/statm"),
        cgroup(process + "/cgroup"),
        physical_bytes(physical) {}

  const MemoryGaugeOptions options;
  Opened statm;
  Opened cgroup;
  std::string cgroup_text;  // of that, when the levels were opened
  const std::uint64_t physical_bytes;
  const std::uint64_t page_bytes = PageBytes();
  std::optional<CgroupPlace> place;
  std::vector<Level> levels;  // the process's own first

  std::uint64_t limit_bytes = 0;
  // Of the usage at the last charge: page cache and what else can be dropped.
  std::uint64_t uncharged_bytes = 0;
  const Level* limiting = nullptr;  // of `levels`; none: no cgroup limit
  const Opened* failed = nullptr;
  int failed_errno = 0;  // 0: it was read and not understood
  std::array<char, kTextBytes> buffer;

  std::optional<std::string_view> Read(const Opened& file) {
    if (file.fd.ok()) {
      ssize_t n = 0;
      do {
        n = ::pread(file.fd.get(), buffer.data(), buffer.size(), 0);
      } while (n < 0 && errno == EINTR);
      if (n >= 0) {
        return std::string_view(buffer.data(), static_cast<std::size_t>(n));
      }
      failed_errno = errno;
    } else {
      failed_errno = file.open_errno;
    }
    failed = &file;
    return {};
  }

  const Level* Group() const {
    if (limiting != nullptr || levels.empty()) return limiting;
    return &levels.front();
  }

  std::optional<std::uint64_t> NotUnderstood(const Opened& file) {
    failed = &file;
    failed_errno = 0;
    return {};
  }

  std::optional<std::uint64_t> ReadNumber(const Opened& file) {
    const std::optional<std::string_view> text = Read(file);
    if (!text) return {};
    const std::optional<std::uint64_t> v = ParseUint(Trim(*text));
    return v ? v : NotUnderstood(file);
  }

  std::optional<CgroupMemory> ReadStat(
      const Level& level, std::optional<std::uint64_t> usage_bytes) {
    const std::optional<std::string_view> text = Read(level.stat);
    if (!text) return {};
    CgroupMemory m;
    m.usage_bytes = usage_bytes;
    const Status s = level.IsV2() ? ParseMemoryStatV2(*text, &m)
                                  : ParseMemoryStatV1(*text, &m);
    if (s.ok()) return m;
    (void)NotUnderstood(level.stat);
    return {};
  }

  // No group that is visible is no error: resident pages are told anyway.
  void FindLevels() {
    const std::optional<std::string_view> text = Read(cgroup);
    if (text && *text == cgroup_text) return;
    std::string now(text.value_or(""));
    auto found = FindCgroup(options.proc_root,
                            options.pid == 0 ? ::getpid() : options.pid,
                            options.sys_root);
    // Its pid may be another's by now: then this can no longer be read.
    if (!found.ok() || Read(cgroup) != std::optional(std::string_view(now)))
      return;
    cgroup_text = std::move(now);
    levels.clear();
    if (found->memory) levels = OpenLevels(*found->memory);
    place = *std::move(found);
  }

  // Of Group(), which has that usage.
  std::optional<std::uint64_t> ChargeOf(std::uint64_t usage_bytes) {
    const Level* level = Group();
    const std::optional<CgroupMemory> m = ReadStat(*level, usage_bytes);
    if (!m) return {};
    if (!m->charge_bytes) return NotUnderstood(level->stat);
    uncharged_bytes = usage_bytes - std::min(usage_bytes, *m->charge_bytes);
    return m->charge_bytes;
  }

  void ReadKnownLimits() {
    failed = nullptr;
    limit_bytes = physical_bytes;
    uncharged_bytes = 0;  // another group may be looked at from now on
    limiting = nullptr;
    for (const Level& level : levels) {
      const std::optional<std::string_view> text = Read(level.limit);
      if (!text) continue;
      const auto limit = ParseMemoryLimit(*text);
      if (limit.ok() && *limit) Consider(**limit, level);
    }
    // v1 tells of groups above all that is visible, too.
    if (levels.empty() || levels.back().IsV2()) return;
    const std::optional<CgroupMemory> m = ReadStat(levels.back(), {});
    if (m && m->limit_bytes) Consider(*m->limit_bytes, levels.back());
  }

  void Consider(std::uint64_t bytes, const Level& level) {
    if (bytes > limit_bytes || (limiting != nullptr && bytes == limit_bytes)) {
      return;
    }
    limit_bytes = bytes;
    limiting = &level;
  }
};

MemoryGauge::MemoryGauge(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MemoryGauge::~MemoryGauge() = default;
MemoryGauge::MemoryGauge(MemoryGauge&&) noexcept = default;
MemoryGauge& MemoryGauge::operator=(MemoryGauge&&) noexcept = default;

Result<MemoryGauge> MemoryGauge::Open(const MemoryGaugeOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::uint64_t physical,
                        ReadPhysicalBytes(options.proc_root));
  const std::string who = options.pid == 0 ? "self" : StrCat(options.pid);
  auto impl = std::make_unique<Impl>(
      options, StrCat(options.proc_root, "/", who), physical);
  MemoryGauge gauge(std::move(impl));
  if (!gauge.ReadResident()) return gauge.last_error();
  gauge.ReadLimits();
  return gauge;
}

std::optional<std::uint64_t> MemoryGauge::ReadBytes() {
  return has_cgroup_limit() ? ReadCharge() : ReadResident();
}

std::optional<std::uint64_t> MemoryGauge::ReadBytesNear(std::uint64_t line) {
  if (!has_cgroup_limit()) return ReadResident();
  const std::optional<std::uint64_t> usage = ReadUsage();
  if (!usage) return {};
  if (*usage >= line) return impl_->ChargeOf(*usage);
  return *usage - std::min(*usage, impl_->uncharged_bytes);
}

std::optional<std::uint64_t> MemoryGauge::ReadCharge() {
  const std::optional<std::uint64_t> usage = ReadUsage();
  if (!usage) return {};
  return impl_->ChargeOf(*usage);
}

std::optional<std::uint64_t> MemoryGauge::ReadUsage() {
  const Level* level = impl_->Group();
  if (level == nullptr) {
    impl_->failed = nullptr;
    return {};
  }
  return impl_->ReadNumber(level->usage);
}

std::optional<std::uint64_t> MemoryGauge::ReadResident() {
  std::optional<std::string_view> text = impl_->Read(impl_->statm);
  if (!text) return {};
  (void)NextField(&*text);
  const std::optional<std::uint64_t> pages = NextUint(&*text);
  if (!pages) return impl_->NotUnderstood(impl_->statm);
  return *pages * impl_->page_bytes;
}

Status MemoryGauge::last_error() const {
  if (impl_->failed == nullptr) return NotFound("no memory cgroup is visible");
  if (impl_->failed_errno == 0) {
    return DataLoss(impl_->failed->path + " is not understood");
  }
  return ErrnoStatus(impl_->failed_errno, "read " + impl_->failed->path);
}

void MemoryGauge::ReadLimits() {
  impl_->FindLevels();
  impl_->ReadKnownLimits();
}
void MemoryGauge::ReadKnownLimits() { impl_->ReadKnownLimits(); }
std::uint64_t MemoryGauge::limit_bytes() const { return impl_->limit_bytes; }
bool MemoryGauge::has_cgroup_limit() const {
  return impl_->limiting != nullptr;
}
std::uint64_t MemoryGauge::physical_bytes() const {
  return impl_->physical_bytes;
}
std::optional<CgroupDirectory> MemoryGauge::group() const {
  const Level* level = impl_->Group();
  if (level == nullptr) return {};
  return level->dir;
}
const std::optional<CgroupPlace>& MemoryGauge::place() const {
  return impl_->place;
}

}  // namespace fodc
