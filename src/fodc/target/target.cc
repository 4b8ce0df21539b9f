// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/target.h"

#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/target/boot_ticks.h"
#include "fodc/target/finder.h"
#include "fodc/target/kept_row.h"
#include "fodc/target/members.h"
#include "fodc/target/merge_counts.h"
#include "fodc/target/pidfd.h"
#include "fodc/target/search.h"

namespace fodc::target {
namespace {

// Capabilities are of threads; root may lack them.
bool MayTraceAll() {
  const auto status = ReadFile(StrCat(kProcRoot, "/thread-self/status"));
  if (!status.ok()) return false;
  const auto held = ParseEffectiveCapabilities(*status);
  return held.ok() && (*held >> CAP_SYS_PTRACE & 1) != 0;
}

// Of how many processes Merge can tell what was counted before each.
constexpr std::size_t kMaxFound = 64;

// What the table knows beside what it shows.
struct Hidden {
  explicit Hidden(Search s) : search(std::move(s)) {}
  Search search;
  std::uint64_t last_number = 0;
  UniqueFd pidfd;
  // The process of an earlier table, until it is found again, another one is,
  // or it is gone.
  std::optional<KeptProcess> former;
  bool former_may_live = false;  // it is of this boot
  // Its pid tells nothing (now): by its start alone it can be known again.
  bool former_has_no_pid = false;
  bool pid_is_used_up = false;  // the process of spec.pid has died
  bool has_died = false;        // since the last find
  // The last check that saw it alive, in the ticks of processes' starts.
  std::uint64_t last_alive_ticks = 0;
  std::optional<MonotonicTime> next_search;
  MonotonicTime next_port_check;
  std::optional<Likeness> likeness;
  std::vector<std::uint64_t> inodes;  // of the port, when last judged
  bool is_by_fallback = false;  // nothing but the fallback's name tells it
  // The first instances, and the row's counts when each was there.
  std::vector<FoundInstance> found;
  bool is_merged = false;
};

Exit ToExit(std::optional<int> code) {
  Exit e;
  if (!code) return e;
  if (WIFSIGNALED(*code)) {
    e.signal = WTERMSIG(*code);
  } else {
    e.status = WEXITSTATUS(*code);
  }
  return e;
}

}  // namespace

class TargetTable::Impl {
 public:
  Impl(std::vector<TargetSpec> specs, const TableOptions& options,
       const Clock& clock)
      : options_(options),
        clock_(clock),
        boot_id_(ReadBootId(options.proc_root).value_or("")),
        pid_namespace_(ReadPidNamespace(options.proc_root).value_or(0)),
        boot_ticks_(options.proc_root, clock),
        finder_(options.proc_root,
                options.own_pid != 0 ? options.own_pid : ::getpid()),
        members_(finder_) {
    for (TargetSpec& spec : specs) {
      Row row;
      row.spec = std::move(spec);
      row.problem = "not looked for yet";
      hidden_.emplace_back(
          Search(row.spec, finder_, options.port_check_interval));
      rows_.push_back(std::move(row));
    }
    // A pid of another tree is no pid of this kernel.
    if (options.proc_root == kProcRoot && OpenPidfd(::getpid()).ok()) {
      epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    }
  }

  void Check(std::vector<Event>* events) {
    const MonotonicTime now = clock_.Monotonic();
    ticks_ = boot_ticks_.Now();
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].instance) CheckAlive(i, now, events);
      if (hidden_[i].former) CheckFormer(i, events);
      if (rows_[i].instance) {
        CheckPort(i, now, events);
      } else {
        Look(i, now, events);
      }
    }
  }

  void Restore(std::size_t i, const KeptRow& kept) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    row.deaths_total = kept.deaths_total;
    row.restarts_total = kept.restarts_total;
    row.last_uptime_seconds = kept.last_uptime_seconds;
    row.last_death_at = kept.last_death_at;
    row.last_exit = kept.last_exit;
    hidden.has_died = kept.has_died;
    hidden.former = kept.process;
    hidden.former_may_live = kept.boot_id == boot_id_;
    if (!hidden.former_may_live) return;
    hidden.last_alive_ticks = SeenAliveTicks(kept);
  }

  bool Merge(std::size_t i, const KeptRow& kept) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    if (std::exchange(hidden.is_merged, true)) return false;
    if (hidden.found.empty()) {
      Restore(i, kept);  // the next Check tells the rest
      return false;
    }
    const bool is_of_boot = kept.boot_id == boot_id_;
    const MergedCounts counts = MergeCounts(
        kept, is_of_boot, hidden.found, {row.deaths_total, row.restarts_total},
        [&] {
          return is_of_boot ? FateOf(*kept.process) : Finder::Fate::kGone;
        });
    row.deaths_total = counts.deaths;
    row.restarts_total = counts.restarts;
    if (!row.last_death_at) {
      row.last_uptime_seconds = kept.last_uptime_seconds;
      row.last_death_at = kept.last_death_at;
      row.last_exit = kept.last_exit;
      if (counts.has_died_unseen) {
        row.last_uptime_seconds.reset();
        row.last_death_at = clock_.Unix();
        row.last_exit = {};
      }
    }
    return counts.has_died_unseen;
  }

  KeptRow Keep(std::size_t i) const {
    const Row& row = rows_[i];
    const Hidden& hidden = hidden_[i];
    KeptRow kept;
    kept.deaths_total = row.deaths_total;
    kept.restarts_total = row.restarts_total;
    kept.last_uptime_seconds = row.last_uptime_seconds;
    kept.last_death_at = row.last_death_at;
    kept.last_exit = row.last_exit;
    kept.has_died = hidden.has_died;
    kept.boot_id = boot_id_;
    kept.last_alive_ticks = hidden.last_alive_ticks;
    kept.process = hidden.former;
    if (row.instance) {
      kept.process = KeptProcess{.pid = row.instance->pid,
                                 .start_ticks = row.instance->start_ticks,
                                 .comm = row.instance->comm,
                                 .started_at = row.instance->started_at,
                                 .pid_namespace = pid_namespace_,
                                 .uptime_seconds = {}};
    }
    return kept;
  }

  std::vector<std::vector<pid_t>> Processes() {
    std::vector<Claim> claims(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) claims[i] = ClaimOf(i);
    return members_.Of(claims);
  }

  int poll_fd() const { return epoll_.get(); }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  // What tells the row's processes is the rule that told its instance.
  Claim ClaimOf(std::size_t i) const {
    const Row& row = rows_[i];
    const Hidden& hidden = hidden_[i];
    Claim claim;
    if (!row.instance) return claim;
    claim.instance = row.instance->pid;
    claim.comm = row.instance->comm;
    if (row.spec.pid && !hidden.pid_is_used_up) return claim;
    if (!row.spec.comm_prefix.empty()) {
      claim.name = row.spec.comm_prefix;
      claim.is_name_given = true;
    } else if (hidden.is_by_fallback) {
      claim.name = row.spec.fallback_comm_prefix;
    } else {
      claim.sockets = hidden.inodes;
    }
    return claim;
  }

  void CheckFormer(std::size_t i, std::vector<Event>* events) {
    Hidden& hidden = hidden_[i];
    if (hidden.former_may_live) {
      const Finder::Fate fate = FateOf(*hidden.former);
      hidden.former_has_no_pid = fate == Finder::Fate::kUnknown;
      if (fate == Finder::Fate::kLives) hidden.last_alive_ticks = ticks_;
      if (fate != Finder::Fate::kGone) return;
    }
    FormerDied(i, events);
  }

  Finder::Fate FateOf(const KeptProcess& process) const {
    const bool is_of_another_namespace =
        process.pid_namespace != 0 && pid_namespace_ != 0 &&
        process.pid_namespace != pid_namespace_;
    if (is_of_another_namespace) return Finder::Fate::kUnknown;
    return finder_.FateOf(process.pid, process.start_ticks);
  }

  void FormerDied(std::size_t i, std::vector<Event>* events) {
    Hidden& hidden = hidden_[i];
    Instance instance;
    instance.pid = hidden.former->pid;
    instance.start_ticks = hidden.former->start_ticks;
    instance.comm = hidden.former->comm;
    instance.started_at = hidden.former->started_at;
    Event event;
    if (hidden.former_may_live && !hidden.former_has_no_pid)
      event.exit = ExitOf(instance, -1);
    event.uptime_seconds = hidden.former->uptime_seconds;
    event.unseen = true;
    event.instance = std::move(instance);
    hidden.former.reset();
    Died(i, std::move(event), events);
  }

  void CheckAlive(std::size_t i, MonotonicTime now,
                  std::vector<Event>* events) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    bool is_alive = false;
    if (hidden.pidfd.ok()) {
      is_alive = !HasEnded(hidden.pidfd.get());
    } else {
      is_alive = finder_.FateOf(row.instance->pid, row.instance->start_ticks) !=
                 Finder::Fate::kGone;
    }
    if (is_alive) {
      hidden.last_alive_ticks = ticks_;
      return;
    }
    Event event;
    event.exit = ExitOf(*row.instance, hidden.pidfd.get());
    event.uptime_seconds = row.instance->UptimeSeconds(now);
    event.instance = *std::move(row.instance);
    row.instance.reset();
    hidden.pidfd.reset();  // leaves the epoll as well
    if (row.spec.pid == event.instance.pid) hidden.pid_is_used_up = true;
    Died(i, std::move(event), events);
  }

  void Died(std::size_t i, Event event, std::vector<Event>* events) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    event.kind = EventKind::kDied;
    event.row = i;
    event.at = clock_.Unix();
    ++row.deaths_total;
    row.last_uptime_seconds = event.uptime_seconds;
    row.last_death_at = event.at;
    row.last_exit = event.exit;
    row.problem = "its process has died";
    row.candidates = 0;
    hidden.has_died = true;
    hidden.inodes.clear();
    hidden.next_search.reset();
    events->push_back(std::move(event));
  }

  Exit ExitOf(const Instance& instance, int pidfd) const {
    const Result<ProcessStat> stat =
        ReadProcessStat(finder_.root(), instance.pid);
    if (stat.ok() && stat->start_ticks == instance.start_ticks &&
        stat->state == 'Z' && stat->exit_code) {
      // Who may not trace the process is told 0, whatever it was.
      if (*stat->exit_code != 0 || MayTraceAll()) {
        return ToExit(stat->exit_code);
      }
    }
    return pidfd >= 0 ? ToExit(ExitCodeOf(pidfd)) : Exit();
  }

  // Whether somebody else has taken the port of a live instance.
  void CheckPort(std::size_t i, MonotonicTime now, std::vector<Event>* events) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    if (row.spec.pid && !hidden.pid_is_used_up) return;
    if (now < hidden.next_port_check) return;
    if (!row.spec.listen_port && row.spec.endpoint_ports.empty()) return;
    hidden.next_port_check =
        now + (hidden.inodes.empty() ? options_.search_interval
                                     : options_.port_check_interval);
    if (hidden.search.AreOfAPort(hidden.inodes)) return;
    Search::Owned owned = hidden.search.OwnersOfPorts(now, row.instance->pid);
    if (owned.owners.empty()) return;
    hidden.search.KeepComm(&owned.owners);
    if (owned.owners.empty()) {
      // A process of another name owns it: judged, until the sockets change.
      hidden.inodes = std::move(owned.inodes);
      return;
    }
    const bool is_ours = std::any_of(
        owned.owners.begin(), owned.owners.end(),
        [&row](const auto& p) { return p.pid == row.instance->pid; });
    if (is_ours) {
      hidden.inodes = std::move(owned.inodes);
      hidden.is_by_fallback = false;
      // By now it has become what it is (exec, a name of its own).
      if (const auto stat = finder_.Alive(row.instance->pid)) {
        row.instance->comm = stat->comm;
        hidden.likeness = finder_.LikenessOf(*stat);
      }
      return;
    }
    Adopt(i, *Finder::Choose(owned.owners), std::move(owned.inodes), events);
  }

  void Look(std::size_t i, MonotonicTime now, std::vector<Event>* events) {
    Hidden& hidden = hidden_[i];
    if (hidden.next_search && now < *hidden.next_search) return;
    hidden.next_search = now + options_.search_interval;
    std::optional<Search::Predecessor> predecessor;
    if (hidden.has_died)
      predecessor = {hidden.last_alive_ticks, hidden.likeness};
    Search::Found found =
        hidden.search.Find(now, !hidden.pid_is_used_up, predecessor);
    rows_[i].candidates = found.candidates;
    if (found.process) {
      Adopt(i, *found.process, std::move(found.inodes), events);
      hidden.is_by_fallback = found.is_by_fallback;
    } else {
      rows_[i].problem = std::move(found.problem);
    }
  }

  void Adopt(std::size_t i, const ProcessStat& stat,
             std::vector<std::uint64_t> inodes, std::vector<Event>* events) {
    Row& row = rows_[i];
    Hidden& hidden = hidden_[i];
    UniqueFd pidfd;
    if (epoll_.ok()) {
      pidfd = OpenPidfd(stat.pid);
      // The pid may have changed hands before the pidfd was there.
      const auto again = finder_.Alive(stat.pid);
      if (!again || again->start_ticks != stat.start_ticks) {
        row.problem = "its process died while it was being looked at";
        hidden.next_search.reset();
        return;
      }
      if (pidfd.ok()) {
        epoll_event want{};
        want.events = EPOLLIN;
        want.data.u64 = i;
        (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd.get(), &want);
      }
    }
    if (hidden.former && hidden.former_has_no_pid &&
        hidden.former->start_ticks != stat.start_ticks) {
      FormerDied(i, events);
    }
    Instance instance;
    instance.number = ++hidden.last_number;
    instance.pid = stat.pid;
    instance.start_ticks = stat.start_ticks;
    instance.comm = stat.comm;
    instance.started_at = boot_ticks_.TimeOf(stat.start_ticks);
    instance.found_at = clock_.Monotonic();
    instance.age_when_found_seconds = boot_ticks_.AgeSeconds(stat.start_ticks);
    Event event;
    event.kind = hidden.has_died ? EventKind::kRestarted : EventKind::kAppeared;
    event.row = i;
    event.instance = instance;
    event.at = clock_.Unix();
    if (hidden.has_died) ++row.restarts_total;
    if (hidden.found.size() < kMaxFound) {
      hidden.found.push_back(
          {stat.start_ticks, {row.deaths_total, row.restarts_total}});
    }
    row.instance = std::move(instance);
    row.problem.clear();
    hidden.has_died = false;
    hidden.former.reset();
    hidden.pidfd = std::move(pidfd);
    hidden.last_alive_ticks = ticks_;
    hidden.next_port_check = row.instance->found_at + options_.search_interval;
    hidden.inodes = std::move(inodes);
    hidden.is_by_fallback = false;
    hidden.likeness = finder_.LikenessOf(stat);
    events->push_back(std::move(event));
  }

  const TableOptions options_;
  const Clock& clock_;
  const std::string boot_id_;
  const std::uint64_t pid_namespace_;  // 0: not known
  BootTicks boot_ticks_;
  std::uint64_t ticks_ = 0;  // at the beginning of this check
  const Finder finder_;
  Members members_;
  UniqueFd epoll_;
  std::vector<Row> rows_;
  std::vector<Hidden> hidden_;
};

TargetTable::TargetTable(std::vector<TargetSpec> specs,
                         const TableOptions& options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(specs), options, clock)) {}
TargetTable::~TargetTable() = default;

void TargetTable::Check(std::vector<Event>* events) { impl_->Check(events); }
void TargetTable::Restore(std::size_t row, const KeptRow& kept) {
  impl_->Restore(row, kept);
}
bool TargetTable::Merge(std::size_t row, const KeptRow& kept) {
  return impl_->Merge(row, kept);
}
KeptRow TargetTable::Keep(std::size_t row) const { return impl_->Keep(row); }
std::vector<std::vector<pid_t>> TargetTable::Processes() const {
  return impl_->Processes();
}
int TargetTable::poll_fd() const { return impl_->poll_fd(); }
const std::vector<Row>& TargetTable::rows() const { return impl_->rows(); }

double Instance::UptimeSeconds(MonotonicTime now) const {
  return age_when_found_seconds +
         std::chrono::duration<double>(now - found_at).count();
}

std::string ExitText(const Exit& e) {
  if (e.signal) return StrCat("signal ", *e.signal);
  if (e.status) return StrCat("status ", *e.status);
  return {};
}

}  // namespace fodc::target
