// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/spill.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "fodc/agent/instance.h"
#include "fodc/agent/lock_holder.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/spill.h"

namespace fodc::agent {
namespace {

// An ill disk must not keep the agent from ending.
constexpr std::chrono::seconds kFinishLimit{5};

// No directory: nothing is kept.
class NoSpill final : public Spill {
 public:
  explicit NoSpill(recorder::Recording recording)
      : recording_(std::move(recording)) {}
  recorder::Recording TakeRecording() override { return std::move(recording_); }
  void set_on_late(net::Task) override {}
  bool is_on() const override { return false; }
  Owner owner() const override { return Owner::kNobody; }
  void Write(const recorder::Recording&) override {}
  void Finish(const recorder::Recording&, net::Task done) override { done(); }
  Stats stats() const override { return {}; }

 private:
  recorder::Recording recording_;
};

// Where the disk is ready: opened, and what was there read.
struct Opened {
  std::shared_ptr<recorder::Spill> disk;
  std::string set_aside;  // where an earlier recording went; empty: none
};

constexpr std::string_view kEarlierPrefix = "earlier-";

// All but `newest`: each is as large as a recording may be.
void RemoveEarlier(const std::string& directory, std::string_view newest) {
  namespace fs = std::filesystem;
  const auto names = ListDirectory(directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(kEarlierPrefix) || name == newest) continue;
    std::error_code ignored;
    fs::remove_all(StrCat(directory, "/", name), ignored);
  }
}

// Opens a directory for a recording that does not go on with what lies there:
// that is set aside, whole, for whoever wants to read it.
Result<Opened> OpenAnew(const recorder::Spill::Options& options,
                        const Clock& clock,
                        const recorder::RecordingOptions& recording_options) {
  namespace fs = std::filesystem;
  Opened opened;
  for (int attempt = 0; attempt < 2; ++attempt) {
    FODC_ASSIGN_OR_RETURN(opened.disk, recorder::Spill::Open(options, clock));
    // A log is read before it is written.
    recorder::Recording earlier(1, recording_options);
    const auto report = opened.disk->Load(&earlier);
    if (report.entries == 0 && report.damage.empty()) return opened;
    opened.disk.reset();
    const std::string name =
        StrCat(kEarlierPrefix, FormatRfc3339(clock.Unix(), 3));
    opened.set_aside = StrCat(options.directory, "/", name);
    FODC_RETURN_IF_ERROR(MakeDirectories(opened.set_aside));
    for (const char* log : {"/chunks", "/tail"}) {
      std::error_code error;
      fs::rename(options.directory + log, opened.set_aside + log, error);
      if (error)
        return ErrnoStatus(error.value(),
                           StrCat("rename ", options.directory, log));
    }
    RemoveEarlier(options.directory, name);
  }
  return Internal("what was set aside is still there");
}

class DiskSpill final : public Spill {
 public:
  // `disk` is null where `why` says so: it is then tried at each Write.
  DiskSpill(net::EventLoop& loop, recorder::Spill::Options disk_options,
            recorder::RecordingOptions options,
            std::shared_ptr<recorder::Spill> disk,
            recorder::Recording recording)
      : loop_(loop),
        disk_options_(std::move(disk_options)),
        options_(std::move(options)),
        disk_(std::move(disk)),
        recording_(std::move(recording)) {
    stats_.is_on = true;
    stats_.restored_frames = recording_.stats().frames;
    if (disk_ == nullptr) stats_.errors = 1;
  }

  void set_damages(std::uint64_t n) { stats_.damages = n; }
  void set_opening(const Status& status) {
    is_anothers_ = status.code() == Code::kUnavailable;
  }

  recorder::Recording TakeRecording() override { return std::move(recording_); }
  void set_on_late(net::Task callback) override {
    on_late_ = std::move(callback);
  }
  bool is_on() const override { return true; }
  Owner owner() const override {
    if (disk_ != nullptr) return Owner::kUs;
    return is_anothers_ ? Owner::kAnother : Owner::kUnknown;
  }

  void Write(const recorder::Recording& recording) override {
    recorded_ = &recording;
    if (writing_) return;
    if (disk_ == nullptr) return TryOpen();
    auto batch =
        std::make_shared<recorder::Spill::Batch>(disk_->Collect(recording));
    if (batch->empty() && !batch->restart_tail && !batch->roll_chunks) return;
    writing_ = true;
    // The disk outlives the work: a worker that still writes when the agent
    // ends keeps it.
    const bool taken = loop_.Offload<Status>(
        [disk = disk_, batch] { return disk->Write(*batch); },
        [this, alive = std::weak_ptr<int>(alive_),
         batch](const Status& written) {
          if (!alive.expired()) Written(*batch, written);
        });
    if (!taken) Written(*batch, ResourceExhausted("the disk's queue is full"));
  }

  void Finish(const recorder::Recording& recording, net::Task done) override {
    finishing_ = &recording;
    done_ = std::move(done);
    limit_ = loop_.RunAfter(kFinishLimit, [this] {
      LogWarn("the recording's last frames did not reach the disk in time",
              {{"directory", disk_options_.directory}});
      End();
    });
    if (!writing_) FinishNow();
  }

  Stats stats() const override {
    Stats s = stats_;
    if (disk_ == nullptr) {
      s.is_failing = true;
      return s;
    }
    const recorder::Spill::Counters& c = disk_->counters();
    s.is_failing = !disk_->status().ok();
    s.writes = c.writes;
    s.bytes = c.written_bytes;
    s.errors += c.failures;
    s.disk_bytes = c.disk_bytes;
    return s;
  }

 private:
  void TryOpen() {
    writing_ = true;
    const bool taken = loop_.Offload<Result<Opened>>(
        [options = disk_options_, recording_options = options_,
         &clock = loop_.clock()] {
          // The recording of this life has begun: what earlier lives left
          // there cannot be taken into it any more.
          return OpenAnew(options, clock, recording_options);
        },
        [this, alive = std::weak_ptr<int>(alive_)](Result<Opened> opened) {
          if (!alive.expired()) OpenEnded(std::move(opened));
        });
    if (!taken) OpenEnded(ResourceExhausted("the disk's queue is full"));
  }

  // The next Write brings everything.
  void OpenEnded(Result<Opened> opened) {
    writing_ = false;
    set_opening(opened.status());
    if (opened.ok()) {
      disk_ = std::move(opened->disk);
      LogInfo("the recording can be kept now",
              {{"directory", disk_options_.directory},
               {"earlier_recording", opened->set_aside}});
      if (on_late_) on_late_();
    } else {
      ++stats_.errors;
    }
    if (finishing_ != nullptr) FinishNow();
  }

  void Written(const recorder::Spill::Batch& batch, const Status& written) {
    writing_ = false;
    if (disk_->Finish(batch, written)) {
      if (written.ok()) {
        LogInfo("the recording is on disk again",
                {{"directory", disk_options_.directory}});
      } else {
        LogError("the recording cannot be written; it lives in memory only",
                 {{"directory", disk_options_.directory},
                  {"error", written.message()}});
      }
    }
    const bool goes_on = written.ok() && !batch.is_last;
    if (finishing_ == nullptr) {
      if (goes_on) Write(*recorded_);
    } else if (!written.ok() || (last_written_ && !goes_on)) {
      End();
    } else {
      FinishNow();
    }
  }

  void FinishNow() {
    if (disk_ == nullptr) return End();
    last_written_ = true;
    Write(*finishing_);
    if (!writing_) End();
  }

  void End() {
    limit_.Cancel();
    if (done_) std::exchange(done_, {})();
  }

  net::EventLoop& loop_;
  const recorder::Spill::Options disk_options_;
  const recorder::RecordingOptions options_;
  std::shared_ptr<recorder::Spill> disk_;  // null: not opened yet
  recorder::Recording recording_;
  Stats stats_;
  bool is_anothers_ = false;  // while disk_ is null
  bool writing_ = false;
  const recorder::Recording* recorded_ = nullptr;  // of the last Write
  net::Task on_late_;
  const recorder::Recording* finishing_ = nullptr;
  bool last_written_ = false;
  net::Task done_;
  net::EventLoop::Handle limit_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// What another pod's agent left there is not continued: it would be shown as
// this pod's.
Result<std::shared_ptr<recorder::Spill>> SetAnothersAside(
    std::shared_ptr<recorder::Spill> disk,
    const recorder::Spill::Options& options, const std::string& pod_name,
    const Clock& clock, const recorder::RecordingOptions& recording_options) {
  const std::string was_of = KeptPodName(options.directory);
  if (was_of.empty() || was_of == Trim(pod_name)) return disk;
  disk.reset();
  FODC_ASSIGN_OR_RETURN(Opened opened,
                        OpenAnew(options, clock, recording_options));
  if (!opened.set_aside.empty()) {
    LogWarn(
        "the recording of another pod in this --recorder-dir is set aside; "
        "that of this pod begins anew",
        {{"pod_name", pod_name},
         {"was_of", was_of},
         {"earlier_recording", opened.set_aside}});
  }
  return std::move(opened.disk);
}

// An agent that ends holds the lock for a moment longer: giving the history up
// for that would lose it at every hasty restart.
Result<std::shared_ptr<recorder::Spill>> OpenAtStart(
    const recorder::Spill::Options& options, const Clock& clock) {
  constexpr int kAttempts = 20;
  constexpr std::chrono::milliseconds kPause{100};
  for (int attempt = 1;; ++attempt) {
    auto disk = recorder::Spill::Open(options, clock);
    if (disk.ok()) return std::shared_ptr<recorder::Spill>(*std::move(disk));
    if (disk.status().code() != Code::kUnavailable || attempt == kAttempts) {
      return disk.status();
    }
    std::this_thread::sleep_for(kPause);
  }
}

// A recording whose life is named after all that the disk holds.
recorder::Recording LoadFrom(recorder::Spill* disk, const Clock& clock,
                             const recorder::RecordingOptions& options,
                             recorder::Spill::LoadReport* report) {
  recorder::Recording recording(NewIncarnation(clock, 0), options);
  *report = disk->Load(&recording);
  recorder::Incarnation newest = 0;
  for (const recorder::HeldRange& range : recording.held())
    newest = std::max(newest, range.incarnation);
  if (newest < recording.incarnation()) return recording;
  // The clock was set back since then: read again under a greater name.
  recorder::Recording later(NewIncarnation(clock, newest), options);
  *report = disk->Load(&later);
  return later;
}

}  // namespace

std::unique_ptr<Spill> Spill::Open(net::EventLoop& loop,
                                   const std::string& directory,
                                   const std::string& pod_name,
                                   const recorder::RecordingOptions& options) {
  const Clock& clock = loop.clock();
  if (directory.empty()) {
    return std::make_unique<NoSpill>(
        recorder::Recording(NewIncarnation(clock, 0), options));
  }
  recorder::Spill::Options disk_options;
  disk_options.directory = directory;
  // What the memory holds fits, twice over; what it no longer holds goes.
  disk_options.max_bytes =
      std::max<std::uint64_t>(disk_options.max_bytes, 2 * options.budget_bytes);
  auto disk = OpenAtStart(disk_options, clock);
  if (disk.ok()) {
    disk = SetAnothersAside(*std::move(disk), disk_options, pod_name, clock,
                            options);
  }
  if (!disk.ok()) {
    if (disk.status().code() == Code::kUnavailable) {
      const auto pid = LockHolder(directory + "/chunks/LOCK");
      LogError(
          "another agent uses this --recorder-dir; the recording lives in "
          "memory only until that one ends",
          {{"directory", directory},
           {"pid", pid ? StrCat(*pid) : std::string("unknown")}});
    } else {
      LogError(
          "the recording cannot be kept; it lives in memory only until it can",
          {{"directory", directory}, {"error", disk.status().message()}});
    }
    auto spill = std::make_unique<DiskSpill>(
        loop, disk_options, options, nullptr,
        recorder::Recording(NewIncarnation(clock, 0), options));
    spill->set_opening(disk.status());
    return spill;
  }
  recorder::Spill::LoadReport report;
  recorder::Recording recording =
      LoadFrom(disk->get(), clock, options, &report);
  for (const std::string& damage : report.damage) {
    LogWarn("damage on the disk was read around; its offset is named",
            {{"damage", damage}});
  }
  if (report.torn_tail) {
    LogInfo("the last write before the end was cut; its whole part is kept",
            {{"directory", directory}});
  }
  auto spill = std::make_unique<DiskSpill>(
      loop, disk_options, options, *std::move(disk), std::move(recording));
  spill->set_damages(report.damage.size());
  return spill;
}

void AddSpillMetrics(program::OwnMetrics* metrics, const Spill* spill) {
  using exposition::MetricType;
  if (!spill->is_on()) return;
  const auto add = [&](const char* name, MetricType type, const char* help,
                       auto get) {
    metrics->AddCallback(name, type, help, [spill, get] {
      return static_cast<double>(get(spill->stats()));
    });
  };
  add("fodc_agent_spill_failing", MetricType::kGauge,
      "Whether the last write under --recorder-dir failed: the recording lives "
      "in memory only meanwhile.",
      [](const Spill::Stats& s) { return s.is_failing ? 1 : 0; });
  add("fodc_agent_spill_writes_total", MetricType::kCounter,
      "Writes of new frames to the disk.",
      [](const Spill::Stats& s) { return s.writes; });
  add("fodc_agent_spill_written_bytes_total", MetricType::kCounter,
      "Bytes written to the disk.",
      [](const Spill::Stats& s) { return s.bytes; });
  add("fodc_agent_spill_errors_total", MetricType::kCounter,
      "Writes to the disk that failed.",
      [](const Spill::Stats& s) { return s.errors; });
  add("fodc_agent_spill_disk_bytes", MetricType::kGauge,
      "Bytes that the recording takes on the disk.",
      [](const Spill::Stats& s) { return s.disk_bytes; });
  add("fodc_agent_spill_restored_frames", MetricType::kGauge,
      "Frames of earlier lives that came back at the start.",
      [](const Spill::Stats& s) { return s.restored_frames; });
  add("fodc_agent_spill_damages_total", MetricType::kCounter,
      "Damaged stretches of the disk that were read around.",
      [](const Spill::Stats& s) { return s.damages; });
}

}  // namespace fodc::agent
