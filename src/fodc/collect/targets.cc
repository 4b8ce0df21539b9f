// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/targets.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/collect/target_reader.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::collect {
namespace {

// How often to look for a target that is missing, beside the ticks: one that
// dies within seconds of every start must be seen.
constexpr std::chrono::milliseconds kSearchInterval{500};

// One name each, also where two containers have the same.
std::string NameOf(const target::TargetSpec& spec, std::size_t rows,
                   std::set<std::string>* taken) {
  const std::string port = spec.endpoint_ports.empty()
                               ? "node"
                               : StrCat("port-", spec.endpoint_ports.front());
  std::string name = spec.container_name;
  if (name.empty()) name = rows == 1 ? "node" : port;
  while (!taken->insert(name).second) name += "-" + port;
  return name;
}

// As BanyanDB's server is named, which this program watches by default.
constexpr std::string_view kDefaultComm = "banyand";

void TellForgotten(const target::KeptRow& row) {
  if (row.deaths_total == 0 && row.restarts_total == 0) return;
  LogWarn("no target has this name any more; its counts are forgotten",
          {{"target", row.name},
           {"deaths", row.deaths_total},
           {"restarts", row.restarts_total}});
}

}  // namespace

bool IsPageOf(const Endpoint& endpoint, const target::TargetSpec& spec) {
  if (!endpoint.is_loopback)
    return endpoint.container_name == spec.container_name;
  return std::ranges::find(spec.endpoint_ports, endpoint.port) !=
         spec.endpoint_ports.end();
}

std::vector<target::TargetSpec> MakeTargetSpecs(
    const std::vector<Endpoint>& endpoints, const TargetHints& hints) {
  std::vector<target::TargetSpec> specs;
  std::vector<std::uint16_t> unnamed;
  for (const Endpoint& e : endpoints) {
    if (!e.is_loopback) continue;
    if (e.container_name.empty()) {
      unnamed.push_back(e.port);
      continue;
    }
    target::TargetSpec& spec = specs.emplace_back();
    spec.container_name = e.container_name;
    spec.endpoint_ports.push_back(e.port);
  }
  const bool hinted = hints.pid != 0 || !hints.comm.empty() ||
                      hints.port != 0 || hints.has_cgroup;
  if (!unnamed.empty()) {
    // Never with a named one: when that dies, it is none of these.
    specs.emplace_back().endpoint_ports = std::move(unnamed);
  } else if (specs.empty() && hinted) {
    specs.emplace_back();
  }
  if (specs.empty()) return specs;
  target::TargetSpec& first = specs.front();
  if (hints.pid != 0) first.pid = static_cast<pid_t>(hints.pid);
  first.comm_prefix = hints.comm;
  if (hints.port != 0)
    first.listen_port = static_cast<std::uint16_t>(hints.port);
  // With several targets a name alone would not tell which one it is.
  if (specs.size() == 1) first.fallback_comm_prefix = kDefaultComm;
  return specs;
}

std::vector<LastSeenTarget> LastSeenTargets(
    const recorder::Recording& recording) {
  std::vector<LastSeenTarget> targets;
  for (const recorder::SourceFrame& frame : recording.Latest()) {
    if (!frame.source_name.starts_with(kTargetSource)) continue;
    LastSeenTarget seen;
    seen.source = frame.source_name;
    for (std::size_t i = 0; i < frame.values.size(); ++i) {
      const std::string_view name = (*frame.series)[i]->name();
      if (name == "fodc_target_pid") {
        // What the disk says may be anything.
        const double pid = frame.values[i];
        if (pid >= 1 && pid <= std::numeric_limits<pid_t>::max())
          seen.pid = static_cast<pid_t>(pid);
      } else if (name == "fodc_target_uptime_seconds") {
        const double uptime = frame.values[i];
        if (uptime >= 0 && uptime <= 1e9) seen.uptime_seconds = uptime;
      }
    }
    if (seen.pid > 0) targets.push_back(std::move(seen));
  }
  return targets;
}

Targets::Targets(const std::vector<target::TargetSpec>& specs,
                 const target::TableOptions& options, net::EventLoop& loop,
                 recorder::Recording& recording, const std::string& sys_root)
    : loop_(loop), table_(specs, options, loop.clock()) {
  std::set<std::string> names;
  for (const target::TargetSpec& spec : specs) {
    if (spec.container_name.empty() && spec.endpoint_ports.size() > 1) {
      LogWarn(
          "endpoints without --container-names are watched as one target: the "
          "owner of the first port that has one",
          {{"ports", spec.endpoint_ports.size()},
           {"first", spec.endpoint_ports.front()}});
    }
    readers_.push_back(std::make_unique<Reader>(
        recording, NameOf(spec, specs.size(), &names), spec.container_name,
        target::ReaderOptions{.proc_root = options.proc_root,
                              .sys_root = sys_root},
        loop.clock()));
  }
  if (table_.poll_fd() >= 0) {
    auto watch = loop_.WatchReadable(table_.poll_fd(), [this] { OnEvent(); });
    if (watch.ok()) {
      death_watch_ = *std::move(watch);
    } else {
      LogWarn("targets' deaths are noticed at the next scrape only",
              {{"error", watch.status()}});
    }
  }
}

Targets::~Targets() = default;

const std::string& Targets::name(std::size_t i) const {
  return readers_[i]->name();
}

std::uint64_t Targets::group_oom_kills() const {
  std::uint64_t kills = 0;
  for (const auto& reader : readers_) kills += reader->group_oom_kills();
  return kills;
}

bool Targets::tells_oom_kills(std::size_t i) const {
  return readers_[i]->tells_oom_kills();
}

std::uint64_t Targets::group_oom_kills(std::size_t i) const {
  return readers_[i]->group_oom_kills();
}

void Targets::set_on_recorded(std::function<void()> callback) {
  on_recorded_ = std::move(callback);
}

void Targets::set_on_changed(std::function<void()> callback) {
  on_changed_ = std::move(callback);
}

void Targets::Restore(std::vector<target::KeptRow> kept,
                      const std::vector<LastSeenTarget>& last_seen) {
  for (target::KeptRow& row : kept) {
    bool is_known = false;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (readers_[i]->name() != row.name) continue;
      is_known = true;
      for (const LastSeenTarget& seen : last_seen) {
        if (row.process && seen.source == readers_[i]->source() &&
            seen.pid == row.process->pid) {
          row.process->uptime_seconds = seen.uptime_seconds;
        }
      }
      table_.Restore(i, row);
    }
    if (!is_known) TellForgotten(row);
  }
}

void Targets::Merge(const std::vector<target::KeptRow>& kept) {
  for (const target::KeptRow& row : kept) {
    bool is_known = false;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (readers_[i]->name() != row.name) continue;
      is_known = true;
      const bool has_died_unseen = table_.Merge(i, row);
      LogInfo("counts of earlier lives were found late and go on",
              {{"target", row.name},
               {"deaths", table_.rows()[i].deaths_total},
               {"restarts", table_.rows()[i].restarts_total}});
      if (!has_died_unseen) continue;
      LogWarn("target died while no agent watched it",
              {{"target", row.name},
               {"pid", row.process->pid},
               {"deaths", table_.rows()[i].deaths_total}});
    }
    if (!is_known) TellForgotten(row);
  }
  if (on_changed_) on_changed_();
}

std::vector<target::KeptRow> Targets::Keep() const {
  std::vector<target::KeptRow> rows;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    rows.push_back(table_.Keep(i));
    rows.back().name = readers_[i]->name();
  }
  return rows;
}

// A target may die and come back many times between two ticks: what was known
// of each death is a sample.
void Targets::OnEvent() {
  if (!Check()) return;
  Append({.monotonic_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                              loop_.clock().Monotonic().time_since_epoch())
                              .count(),
          .unix_ms = ToUnixMillis(loop_.clock().Unix())});
  if (on_recorded_) on_recorded_();
}

bool Targets::Check() {
  events_.clear();
  table_.Check(&events_);
  for (const target::Event& e : events_) {
    const std::string& name = readers_[e.row]->name();
    switch (e.kind) {
      case target::EventKind::kAppeared:
        LogInfo("target found", {{"target", name},
                                 {"pid", e.instance.pid},
                                 {"comm", e.instance.comm}});
        break;
      case target::EventKind::kDied:
        if (e.unseen) {
          LogWarn("target died while no agent watched it",
                  {{"target", name},
                   {"pid", e.instance.pid},
                   {"exit", target::ExitText(e.exit)},
                   {"deaths", table_.rows()[e.row].deaths_total}});
          break;
        }
        LogWarn("target died",
                {{"target", name},
                 {"pid", e.instance.pid},
                 {"uptime_seconds", e.uptime_seconds.value_or(0)},
                 {"exit", target::ExitText(e.exit)},
                 {"deaths", table_.rows()[e.row].deaths_total}});
        break;
      case target::EventKind::kRestarted:
        LogInfo("target restarted",
                {{"target", name},
                 {"pid", e.instance.pid},
                 {"restarts", table_.rows()[e.row].restarts_total}});
        break;
    }
  }
  for (std::size_t i = 0; i < readers_.size(); ++i)
    readers_[i]->TellProblem(table_.rows()[i].problem);
  Arm();
  if (!events_.empty() && on_changed_) on_changed_();
  return !events_.empty();
}

void Targets::Arm() {
  bool missing = false;
  for (const target::Row& row : table_.rows()) missing |= !row.instance;
  if (!missing) {
    search_timer_.Cancel();
    search_timer_ = {};
  } else if (!search_timer_) {
    search_timer_ = loop_.RunEvery(
        kSearchInterval, [this](const net::EventLoop::Tick&) { OnEvent(); });
  }
}

void Targets::Read(recorder::FrameTime time) {
  (void)Check();
  Append(time);
}

void Targets::Append(recorder::FrameTime time) {
  // No two frames of one source at one instant.
  const std::int64_t behind = newest_.monotonic_ms - time.monotonic_ms;
  if (behind >= 0) {
    time.monotonic_ms += behind + 1;
    time.unix_ms += behind + 1;
  }
  newest_ = time;
  for (std::size_t i = 0; i < readers_.size(); ++i)
    readers_[i]->Read(table_.rows()[i], time);
}

}  // namespace fodc::collect
