// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/readings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/kept_file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::target {
namespace {

// Counts the open files of a process. Since Linux 6.2 the size of the
// directory tells; before, each entry costs time, so that a process with many
// is counted less often and keeps its last count meanwhile.
class OpenFileCounter {
 public:
  OpenFileCounter() = default;
  explicit OpenFileCounter(const std::string& path)
      : directory_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

  bool ok() const { return directory_.ok(); }

  std::optional<std::uint64_t> Count() {
    if (!directory_.ok()) return {};
    struct stat st {};
    if (::fstat(directory_.get(), &st) != 0) return {};
    if (st.st_size > 0) return static_cast<std::uint64_t>(st.st_size);
    if (skips_ > 0) {
      --skips_;
      return last_;
    }
    last_ = CountEntries();
    skips_ = last_.value_or(0) / kEntriesPerReading;
    return last_;
  }

 private:
  static constexpr std::uint64_t kEntriesPerReading = 1000;

  std::optional<std::uint64_t> CountEntries() {
    if (::lseek(directory_.get(), 0, SEEK_SET) != 0) return {};
    // struct linux_dirent64: inode, offset, length of the entry, type, name.
    constexpr std::size_t kLengthAt = 16;
    constexpr std::size_t kNameAt = 19;
    alignas(8) std::array<char, 16 * 1024> entries{};
    std::uint64_t count = 0;
    for (;;) {
      const long n = ::syscall(SYS_getdents64, directory_.get(), entries.data(),
                               entries.size());
      if (n < 0) return {};
      if (n == 0) return count;
      for (std::size_t at = 0; at + kNameAt < static_cast<std::size_t>(n);) {
        std::uint16_t length = 0;
        std::memcpy(&length, entries.data() + at + kLengthAt, sizeof length);
        if (length == 0) return {};
        if (entries[at + kNameAt] != '.') ++count;
        at += length;
      }
    }
  }

  UniqueFd directory_;
  std::uint64_t skips_ = 0;
  std::optional<std::uint64_t> last_;
};

double ToSeconds(std::uint64_t ticks) {
  return static_cast<double>(ticks) /
         static_cast<double>(ClockTicksPerSecond());
}

}  // namespace

class TargetReader::Impl {
 public:
  Impl(ReaderOptions o, const Clock& c) : options_(std::move(o)), clock_(c) {}

  TargetReadings Read(const Row& row) {
    TargetReadings out;
    const MonotonicTime now = clock_.Monotonic();
    if (row.instance) {
      if (row.instance->number != instance_ || row.instance->pid != pid_ ||
          row.instance->start_ticks != start_ticks_) {
        Follow(*row.instance);
      } else if (now >= next_look_) {
        Retry();
      }
      if (ReadProcess(*row.instance, &out.process)) {
        out.instance = row.instance->number;
        // The container may change under the process; its limits do.
        if (now >= next_look_) LookAround(now);
        out.process.max_open_files = max_open_files_;
      } else {
        out.process = {};
      }
    }
    if (cgroup_) {
      if (!row.instance && now >= next_look_) {
        cgroup_->ReadLimits();
        next_look_ = now + options_.limits_interval;
      }
      Result<CgroupMemory> memory = cgroup_->ReadMemory();
      if (memory.ok()) out.memory = *std::move(memory);
      Result<CgroupCpu> cpu = cgroup_->ReadCpu();
      if (cpu.ok()) out.cpu = *std::move(cpu);
      out.pressure = cgroup_->ReadPressure();
    }
    return out;
  }

  const std::string& problem() const { return problem_; }

 private:
  void Follow(const Instance& instance) {
    instance_ = instance.number;
    pid_ = instance.pid;
    start_ticks_ = instance.start_ticks;
    directory_ = StrCat(options_.proc_root, "/", instance.pid, "/");
    stat_ = OptionalFile(directory_ + "stat");
    status_ = OptionalFile(directory_ + "status");
    io_ = OptionalFile(directory_ + "io");
    open_files_ = OpenFileCounter(directory_ + "fd");
    max_open_files_.reset();
    next_look_ = MonotonicTime::min();
    problem_.clear();
  }

  // What could not be opened may have been for lack of descriptors.
  void Retry() {
    stat_.Retry();
    status_.Retry();
    io_.Retry();
    if (!open_files_.ok()) open_files_ = OpenFileCounter(directory_ + "fd");
  }

  void Note(const Status& status) {
    if (problem_.empty() && !status.ok()) problem_ = status.message();
  }

  void LookAround(MonotonicTime now) {
    next_look_ = now + options_.limits_interval;
    const std::string limits_path =
        StrCat(options_.proc_root, "/", pid_, "/limits");
    const Result<std::string> limits = ReadFile(limits_path);
    max_open_files_.reset();
    if (limits.ok()) {
      auto max = ParseMaxOpenFiles(*limits);
      if (max.ok()) max_open_files_ = *max;
    }
    Result<CgroupPlace> place =
        FindCgroup(options_.proc_root, pid_, options_.sys_root);
    if (!place.ok()) {
      Note(place.status());
      cgroup_.reset();
    } else if (!cgroup_ || cgroup_->place() != *place ||
               cgroup_of_instance_ != instance_) {
      // A container that is made anew may have the old one's name.
      cgroup_.emplace(*std::move(place));
      cgroup_of_instance_ = instance_;
      cgroup_->ReadLimits();
    } else {
      cgroup_->ReadLimits();
    }
  }

  // False if the process is not there any more.
  bool ReadProcess(const Instance& instance, ProcessReadings* out) {
    Status stat_failure;
    const auto stat_text = stat_.Read(&buffer_, &stat_failure);
    // That it is gone is no problem, and told elsewhere.
    if (stat_failure.code() != Code::kNotFound) Note(stat_failure);
    if (!stat_text) return false;
    if (!ParseProcessStat(*stat_text, &stat_value_).ok() ||
        stat_value_.start_ticks != instance.start_ticks ||
        stat_value_.state == 'Z' || stat_value_.state == 'X') {
      return false;
    }
    const ProcessStat& s = stat_value_;
    out->cpu_user_seconds = ToSeconds(s.user_ticks);
    out->cpu_system_seconds = ToSeconds(s.system_ticks);
    out->minor_faults = s.minor_faults;
    out->major_faults = s.major_faults;
    out->threads = s.threads;
    out->virtual_bytes = s.virtual_bytes;
    const auto read = [this](OptionalFile* file) {
      Status failure;
      auto text = file->Read(&buffer_, &failure);
      Note(failure);
      return text;
    };
    if (const auto text = read(&status_)) {
      const Result<ProcessStatus> status = ParseProcessStatus(*text);
      Note(status.status());
      if (status.ok()) {
        out->resident_bytes = status->resident_bytes;
        out->resident_anon_bytes = status->resident_anon_bytes;
        out->swap_bytes = status->swap_bytes;
        out->main_thread_voluntary_switches =
            status->main_thread_voluntary_switches;
        out->main_thread_involuntary_switches =
            status->main_thread_involuntary_switches;
      }
    }
    if (!out->resident_bytes) {
      out->resident_bytes = s.resident_pages * PageBytes();
    }
    if (const auto text = read(&io_)) {
      const Result<ProcessIo> io = ParseProcessIo(*text);
      Note(io.status());
      if (io.ok()) {
        out->read_storage_bytes = io->read_storage_bytes;
        out->write_storage_bytes = io->write_storage_bytes;
      }
    }
    out->open_files = open_files_.Count();
    return true;
  }

  const ReaderOptions options_;
  const Clock& clock_;
  std::uint64_t instance_ = 0;
  pid_t pid_ = 0;
  std::uint64_t start_ticks_ = 0;
  std::string directory_;
  OptionalFile stat_;
  OptionalFile status_;
  OptionalFile io_;
  OpenFileCounter open_files_;
  std::optional<std::uint64_t> max_open_files_;
  std::optional<CgroupReader> cgroup_;
  std::uint64_t cgroup_of_instance_ = 0;
  MonotonicTime next_look_ = MonotonicTime::min();
  std::string problem_;
  std::string buffer_;
  ProcessStat stat_value_;
};

TargetReader::TargetReader(ReaderOptions options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
TargetReader::~TargetReader() = default;
TargetReader::TargetReader(TargetReader&&) noexcept = default;

TargetReadings TargetReader::Read(const Row& row) { return impl_->Read(row); }
const std::string& TargetReader::problem() const { return impl_->problem(); }

MachineReader::MachineReader(const std::string& proc_root)
    : cpu_(proc_root + "/pressure/cpu"),
      memory_(proc_root + "/pressure/memory"),
      io_(proc_root + "/pressure/io") {}

CgroupPressure MachineReader::Read() {
  CgroupPressure out;
  const auto read = [this](OptionalFile* file, std::optional<Pressure>* into) {
    const auto text = file->Read(&buffer_);
    if (!text) return;
    const Result<Pressure> p = ParsePressure(*text);
    if (p.ok()) *into = *p;
  };
  read(&cpu_, &out.cpu);
  read(&memory_, &out.memory);
  read(&io_, &out.io);
  return out;
}

}  // namespace fodc::target
