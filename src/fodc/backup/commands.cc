// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/commands.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "fodc/backup/schedule.h"
#include "fodc/backup/verify.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/program/version.h"

namespace fodc::backup {
namespace {

constexpr std::chrono::seconds kProgressInterval{10};
constexpr std::chrono::seconds kOverlapPause{5};
constexpr std::chrono::milliseconds kNodeLook{500};

void Print(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  (void)std::fflush(stdout);
}

Outcome Fail(const Status& status, Outcome outcome = Outcome::kFailure) {
  (void)std::fprintf(stderr, "fodc-backup: %s\n", status.message().c_str());
  return status.code() == Code::kInvalidArgument ? Outcome::kUsage : outcome;
}

// False if it was stopped.
bool SleepUntil(UnixTime until, const Clock& clock,
                const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    // In pieces: the clock may be set meanwhile.
    const auto left = until - clock.Unix();
    if (left <= std::chrono::nanoseconds(0)) return true;
    (void)never.wait_for(
        lock, stop,
        std::min<std::chrono::nanoseconds>(left, std::chrono::seconds(30)),
        [] { return false; });
  }
  return false;
}

// Says now and then how far a run has come.
class ProgressLog {
 public:
  explicit ProgressLog(const RunProgress& progress)
      : thread_([this, &progress](const std::stop_token& stop) {
          while (SleepUntil(SystemClock().Unix() + kProgressInterval,
                            SystemClock(), stop)) {
            Tell(progress);
          }
        }) {}

 private:
  static void Tell(const RunProgress& progress) {
    const auto all = progress.all();
    if (all.empty()) return;
    const CatalogCounters& c = all.back()->counters;
    LogInfo("backing up", {{"catalog", all.back()->name},
                           {"files", c.files.load()},
                           {"uploaded", c.uploaded.load()},
                           {"uploaded_bytes", c.uploaded_bytes.load()},
                           {"unchanged", c.unchanged.load()}});
  }
  std::jthread thread_;
};

std::string Owner() {
  char host[256] = {};
  (void)::gethostname(host, sizeof host - 1);
  return StrCat(host, " (process ", ::getpid(), ")");
}

RunOptions OptionsOf(const RunFlags& f) {
  RunOptions o;
  o.style = f.time_style == "hourly" ? TimeStyle::kHourly : TimeStyle::kDaily;
  o.owner = Owner();
  o.catalog = f.catalog;
  o.catalog.tool = StrCat("fodc-backup ", program::Version());
  o.catalog.upload_concurrency = static_cast<std::size_t>(f.upload_concurrency);
  o.catalog.large_concurrency = static_cast<std::size_t>(f.large_concurrency);
  o.catalog.diff = f.diff == "name"   ? DiffMode::kName
                   : f.diff == "size" ? DiffMode::kSize
                                      : DiffMode::kChecksum;
  if (!f.state_directory.empty()) {
    o.lock_file = f.state_directory + "/lock";
    o.catalog.session_directory = f.state_directory + "/sessions";
  }
  o.snapshots =
      [f](const std::stop_token& stop) -> Result<std::vector<Snapshot>> {
    if (f.snapshot_directory.empty() && f.snapshot_command.empty())
      return AskNode(f.node, stop);
    Snapshot one{.catalog = f.catalog_name, .directory = f.snapshot_directory};
    if (!f.snapshot_command.empty()) {
      FODC_ASSIGN_OR_RETURN(
          one.directory,
          AskCommand(f.snapshot_command, f.node.snapshot_timeout, stop));
    }
    one.name = one.directory.substr(one.directory.rfind('/') + 1);
    return std::vector<Snapshot>{std::move(one)};
  };
  return o;
}

Outcome RunOnce(object_store::ObjectStore& store, const RunFlags& flags,
                const Clock& clock, const std::stop_token& stop) {
  const RunOptions options = OptionsOf(flags);
  for (;;) {
    RunProgress progress;
    RunReport report;
    {
      const ProgressLog log(progress);
      report = RunBackup(store, options, clock, stop, &progress);
    }
    const bool may_wait = flags.on_overlap == "wait" &&
                          report.outcome == Outcome::kRefused &&
                          report.status.code() == Code::kAlreadyExists;
    if (may_wait) {
      LogInfo("waits for another backup", {{"error", report.status}});
      if (SleepUntil(clock.Unix() + kOverlapPause, clock, stop)) continue;
    }
    Print(report.ToJson(progress) + "\n");
    if (report.outcome == Outcome::kSuccess) {
      LogInfo("backed up", {{"time_dir", report.time_dir}});
    } else {
      LogError("not backed up, or not whole", {{"error", report.status}});
    }
    return report.outcome;
  }
}

// The ticks that fell into a run are not made up for.
Outcome RunBySchedule(object_store::ObjectStore& store, const RunFlags& flags,
                      const Schedule& schedule, const Clock& clock,
                      const std::stop_token& stop) {
  UnixTime last = clock.Unix();
  if (flags.run_on_start) (void)RunOnce(store, flags, clock, stop);
  while (!stop.stop_requested()) {
    const UnixTime now = clock.Unix();
    std::uint64_t skipped = 0;
    auto next = schedule.Next(last);
    while (next && *next <= now) {
      ++skipped;
      next = schedule.Next(*next);
    }
    if (skipped > 0)
      LogWarn("a run outlasted its interval: ticks were skipped",
              {{"ticks", skipped}});
    if (!next) return Fail(InvalidArgument("--schedule: it never comes"));
    LogInfo("the next backup", {{"at", FormatRfc3339(*next, 0)}});
    if (!SleepUntil(*next, clock, stop)) break;
    last = *next;
    (void)RunOnce(store, flags, clock, stop);
  }
  return Outcome::kSuccess;
}

// "127.0.0.1:17912": whether somebody answers there.
bool Answers(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) return false;
  const std::uint64_t port =
      ParseUint(std::string_view(address).substr(colon + 1)).value_or(0);
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (port == 0 || port > 65535 ||
      ::inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) {
    return false;
  }
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 0, .tv_usec = kNodeLook.count() * 1000};
  if (!fd.ok() || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
                               sizeof limit) != 0) {
    return false;
  }
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to),
                   sizeof to) == 0;
}

}  // namespace

Outcome CommandRun(const RunFlags& flags, const Clock& clock,
                   const std::stop_token& stop) {
  std::optional<Schedule> schedule;
  if (!flags.schedule.empty()) {
    auto parsed = Schedule::Parse(flags.schedule);
    if (!parsed.ok()) return Fail(parsed.status().WithContext("--schedule"));
    schedule = *std::move(parsed);
    if (!schedule->zone().empty()) {
      (void)::setenv("TZ", schedule->zone().c_str(), 1);
      ::tzset();
    }
  }
  if (!flags.state_directory.empty()) {
    const Status s = MakeDirectories(flags.state_directory + "/sessions", 0700);
    if (!s.ok()) return Fail(s.WithContext("--state-dir"));
  }
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  return schedule ? RunBySchedule(**store, flags, *schedule, clock, stop)
                  : RunOnce(**store, flags, clock, stop);
}

Outcome CommandRestore(const RestoreFlags& flags, const Clock& clock,
                       const std::stop_token& stop) {
  if (!flags.is_forced && !flags.restore.is_check &&
      Answers(flags.node_address)) {
    return Fail(FailedPrecondition(StrCat(
                    "the node at ", flags.node_address,
                    " answers: stop it before its files change (--force)")),
                Outcome::kRefused);
  }
  auto store = OpenDestination(flags.source, clock);
  if (!store.ok()) return Fail(store.status());
  RestoreOptions options = flags.restore;
  options.download_concurrency =
      static_cast<std::size_t>(flags.download_concurrency);
  Outcome outcome = Outcome::kSuccess;
  std::size_t tried = 0;
  std::size_t failed = 0;
  for (const std::string_view catalog : kCatalogs) {
    const std::string root = flags.roots.Of(catalog);
    if (root.empty()) continue;
    RestoreCounters counters;
    const RestoreReport report =
        RestoreCatalog(**store, std::string(catalog),
                       StrCat(root, "/", catalog), options, stop, &counters);
    if (report.time_dir.empty() && report.status.ok()) continue;
    ++tried;
    LogInfo("restored", {{"catalog", report.catalog},
                         {"time_dir", report.time_dir},
                         {"downloaded", counters.downloaded.load()},
                         {"unchanged", counters.unchanged.load()},
                         {"deleted", counters.deleted.load()},
                         {"error", report.status}});
    if (report.status.ok()) continue;
    ++failed;
    const Outcome one = Fail(report.status);
    if (report.status.code() == Code::kDataLoss) {
      outcome = Outcome::kIntegrity;
    } else if (outcome != Outcome::kIntegrity) {
      outcome = one == Outcome::kUsage ? Outcome::kFailure : one;
    }
    if (report.status.code() == Code::kCancelled) return outcome;
  }
  if (outcome == Outcome::kFailure && failed < tried)
    outcome = Outcome::kPartial;
  return outcome;
}

Outcome CommandTimeDirList(const TimeDirFlags& flags, const Clock& clock,
                           const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  const auto names = ListTimeDirs(**store, flags.prefix, stop);
  if (!names.ok()) return Fail(names.status());
  std::string text = "Remote time directories:\n";
  for (const std::string& name : *names) text += ToValidUtf8(name) + "\n";
  Print(text);
  return Outcome::kSuccess;
}

Outcome CommandTimeDir(std::string_view action, const TimeDirFlags& flags,
                       std::string time, const Clock& clock) {
  if (time.empty()) {
    time = TimeDirName(clock.Unix(), flags.time_style == "hourly"
                                         ? TimeStyle::kHourly
                                         : TimeStyle::kDaily);
  }
  if (action == "create" && !flags.is_forced && !IsTimeDirName(time)) {
    return Fail(InvalidArgument(
        StrCat("\"", ToValidUtf8(time),
               "\" is neither YYYY-MM-DD nor YYYY-MM-DD-HH (--force)")));
  }
  std::vector<std::string> catalogs;
  for (const std::string& name : flags.catalogs)
    catalogs.push_back(ToLower(name));
  if (catalogs.empty())
    catalogs.assign(std::begin(kCatalogs), std::end(kCatalogs));
  Outcome outcome = Outcome::kSuccess;
  for (const std::string& catalog : catalogs) {
    const std::string root = flags.roots.Of(catalog);
    if (root.empty()) {
      (void)std::fprintf(stderr, "fodc-backup: there is no catalog %s\n",
                         ToValidUtf8(catalog).c_str());
      continue;
    }
    const std::string directory = StrCat(root, "/", catalog);
    if (action == "create") {
      Status s = MakeDirectories(directory, 0700);
      if (s.ok()) s = WriteTimeDir(directory, time);
      if (!s.ok()) outcome = Fail(s.WithContext(catalog));
    } else if (action == "read") {
      const auto read = ReadTimeDir(directory);
      if (read.ok()) {
        Print(StrCat(catalog, ": ", ToValidUtf8(*read), "\n"));
      } else {
        // As the original: it is told, and no failure.
        (void)Fail(read.status().WithContext(catalog));
      }
    } else if (const Status s = RemoveTimeDir(directory); !s.ok()) {
      (void)Fail(s.WithContext(catalog));
    }
  }
  return outcome;
}

Outcome CommandVerify(const VerifyFlags& flags, const Clock& clock,
                      const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  std::string time_dir = flags.time_dir;
  if (time_dir.empty()) {
    const auto names = ListTimeDirs(**store, "", stop);
    if (!names.ok()) return Fail(names.status());
    for (const std::string& name : *names) {
      if (IsTimeDirName(name)) time_dir = name;  // the newest is the last
    }
    if (time_dir.empty())
      return Fail(NotFound(StrCat((*store)->name(), " has no time directory")));
  }
  std::vector<std::string> catalogs = flags.catalogs;
  if (catalogs.empty()) {
    const auto backups = ListBackups(**store, time_dir, stop);
    if (!backups.ok()) return Fail(backups.status());
    for (const StoredBackup& backup : *backups)
      catalogs.push_back(backup.catalog);
    if (catalogs.empty())
      return Fail(NotFound(
          StrCat((*store)->name(), "/", time_dir, " has no manifest")));
  }
  VerifyOptions options = flags.verify;
  options.concurrency = static_cast<std::size_t>(flags.concurrency);
  Outcome outcome = Outcome::kSuccess;
  for (const std::string& catalog : catalogs) {
    const VerifyReport report =
        VerifyCatalog(**store, time_dir, catalog, options, clock, stop);
    Print(StrCat(time_dir, " ", ToValidUtf8(catalog), ": ", report.files,
                 " files, ", report.read, " read, ", report.extra,
                 " unknown: ", report.status.ok() ? "good" : "NOT GOOD", "\n"));
    for (const std::string& problem : report.problems)
      Print(StrCat("  ", problem, "\n"));
    if (report.status.ok()) continue;
    const bool is_damage = report.status.code() == Code::kDataLoss;
    (void)Fail(report.status);
    if (is_damage || outcome == Outcome::kSuccess)
      outcome = is_damage ? Outcome::kIntegrity : Outcome::kFailure;
  }
  return outcome;
}

Outcome CommandList(const TimeDirFlags& flags, const Clock& clock,
                    const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  const auto names = ListTimeDirs(**store, flags.prefix, stop);
  if (!names.ok()) return Fail(names.status());
  Print(
      "TIME DIRECTORY  CATALOG          STATE        FILES       BYTES  "
      "STARTED               VERIFIED\n");
  for (const std::string& name : *names) {
    const auto backups = ListBackups(**store, name, stop);
    if (!backups.ok()) return Fail(backups.status());
    if (backups->empty()) Print(StrCat(ToValidUtf8(name), "  (no manifest)\n"));
    for (const StoredBackup& b : *backups) {
      char line[512];
      (void)std::snprintf(
          line, sizeof line, "%-14s  %-15s  %-11s %6llu %11llu  %-20s  %s\n",
          ToValidUtf8(b.time_dir).c_str(), ToValidUtf8(b.catalog).c_str(),
          !b.header                                     ? "damaged"
          : b.header->state == ManifestState::kComplete ? "complete"
                                                        : "in-progress",
          static_cast<unsigned long long>(b.totals.files),
          static_cast<unsigned long long>(b.totals.bytes),
          b.header ? FormatRfc3339(b.header->started, 0).c_str() : "-",
          b.verified.empty() ? "never" : b.verified.c_str());
      Print(line);
    }
  }
  return Outcome::kSuccess;
}

}  // namespace fodc::backup
