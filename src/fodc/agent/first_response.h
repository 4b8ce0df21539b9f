// SPDX-License-Identifier: Apache-2.0
// The first response, wired: what happens to the targets becomes captures and
// incidents; what came of them, paces. Why a trigger did not fire can always
// be asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/agent/capture_incidents.h"
#include "fodc/agent/trigger.h"
#include "fodc/base/forecast.h"
#include "fodc/base/mutex.h"
#include "fodc/capture/capture_request.h"
#include "fodc/collect/scraper.h"
#include "fodc/collect/targets.h"
#include "fodc/detect/death_loop.h"
#include "fodc/detect/memory_source.h"
#include "fodc/detect/memory_watch.h"
#include "fodc/detect/missed_rounds.h"
#include "fodc/evidence/event_store.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/kernel/reading.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {

struct FirstResponseSettings {
  std::string pod_name;
  std::uint64_t incarnation = 0;       // of the agent
  detect::PressureOptions pressure{};  // its pace is that of all triggers
  CadenceOptions cadence{};
  detect::DeathLoopOptions death_loop{};
  int down_rounds = 3;
  // Why there are no verdicts on slow reads for now; empty: there may be. Null:
  // there always may be.
  std::function<std::string()> detector_problem{};
  // What came after the moment is added then, or at the target's death.
  std::chrono::nanoseconds aftermath_after = std::chrono::seconds(30);
  detect::KernelMemoryOptions memory{};
  // Why nothing can be captured for now; empty: it can. set_problem tells what
  // became of it.
  std::string problem{};
};

// Whoever runs captures. Thread-safe; neither waits.
struct CaptureHands {
  // OK: OnCaptured follows.
  std::function<Status(capture::CaptureRequest)> begin;
  std::function<Status(capture::CaptureAftermath)> add_aftermath;
  // What that process shares is to be there when it is dead.
  std::function<void(std::size_t row, capture::CaptureProcess)> hold;
};

// Counters since the start.
struct FirstResponseCounts {
  std::uint64_t captured = 0;  // with evidence
  std::uint64_t empty = 0;     // without
  std::uint64_t failed = 0;    // there is no event at all
};

// Belongs to the loop's thread.
class FirstResponse {
 public:
  // A process that could not be opened is tried again this often; limits and
  // members are looked up anew every kRefresh.
  static constexpr std::chrono::seconds kRetry{1};
  static constexpr std::chrono::seconds kRefresh{30};
  // The memory of who is being killed is gone, and the kill counted, before it
  // is seen to be dead: so long a death is waited for.
  static constexpr std::chrono::seconds kSettle{2};
  // A first capture waits so long for the place that it is kept in.
  static constexpr std::chrono::seconds kPatience{2};
  // Without what came after them, the newest events of an earlier life of the
  // agent are not left, if they are no older.
  static constexpr std::chrono::hours kAftermathAge{1};
  static constexpr std::size_t kMostRestored = 4;
  // A death that is longer ago is not in a row with those that come: no
  // supervisor waits so long between two starts.
  static constexpr std::chrono::minutes kSameLoop{10};
  // So many captures for memory in a row that got no profile are kept: whoever
  // always fails to serve one does not fill the store with what lacks it.
  static constexpr int kMostWithoutProfiles = 3;

  // The references must outlive it. `scrapers`: those of the targets' pages.
  // Errors: those of MemoryWatch::Start.
  static Result<std::unique_ptr<FirstResponse>> Create(
      const FirstResponseSettings& settings, const collect::Targets& targets,
      const std::vector<std::unique_ptr<collect::Scraper>>& scrapers,
      const recorder::Recording& recording, net::EventLoop& loop,
      evidence::IncidentList& incidents, CaptureHands hands);
  ~FirstResponse();

  // What earlier lives captured: their cooldowns go on, and so does the count
  // of a target that dies again and again. Before anything can be captured.
  void Restore(const std::vector<evidence::EventInfo>& events);
  // The targets' counts have grown by those of earlier lives: no news.
  void Rebase();
  // A target has appeared, died or come back.
  void Follow();
  // Frames have been appended: scrapes may have ended, targets died.
  void OnAppended();
  // The list of incidents has changed.
  void OnIncidents();
  // The kernel told how a process of a target ended, or that it was chosen to
  // be.
  void OnKernelDeath(const kernel::KernelEvent& event);
  // Takes what came of a capture, on any thread; it may outlive this object.
  std::function<void(capture::CaptureResult)> CapturedCallback();
  // The role of the node, for meta.json.
  void set_role(const std::string& role);
  // Called when it has changed the list of incidents.
  void set_on_incident(std::function<void()> callback) {
    on_incident_ = std::move(callback);
  }

  struct RowView {
    std::string target;
    pid_t pid = 0;  // 0: nobody is found
    detect::MemoryState memory = {};
    std::vector<TriggerView> triggers = {};  // by TriggerKind
  };
  std::vector<RowView> View() const;
  const std::vector<FirstResponseCounts>& counts() const { return counts_; }
  std::string problem() const;
  // Why nothing can be captured from now on; empty: it can.
  void set_problem(std::string problem);

 private:
  struct Endpoint {
    const collect::Scraper* scraper = nullptr;
    detect::MissedRounds rounds;
    std::uint64_t scrapes = 0;
    std::string incident = {};  // of its being down, open; empty: none
  };
  // How a process ended, in the words of the kernel.
  struct KernelWord {
    std::uint64_t start_ticks = 0;  // of that process
    std::optional<int> signal = {};
    bool is_oom = false;
  };
  // The last death, and what told of it.
  struct LastDeath {
    evidence::EventDeath death = {};
    std::optional<capture::CaptureProcess> dead = {};
    std::vector<std::pair<std::string, TriggerKind>> incidents = {};
    std::vector<std::string> events = {};
  };
  // Something that happened to a target, or to one of its endpoints.
  struct Happening {
    TriggerKind kind = TriggerKind::kTargetGone;
    TriggerDecision decision = {};
    std::string cause = {};    // of it; what tells those of one kind apart
    std::string subject = {};  // which endpoint
    bool is_alive = true;      // the target
    // What it belongs to; empty: an incident of its own.
    std::string incident_id = {};
    std::optional<evidence::EventDeath> death = {};
  };
  // An incident, for what happens again within a cooldown.
  struct Recurring {
    std::string name;  // of what happens: its kind, subject and cause
    std::string id;
    MonotonicTime at = {};  // when it did last
    int times = 0;
  };
  struct Row {
    std::string target;
    EventTriggers triggers;
    detect::DeathLoop death_loop;
    std::vector<Endpoint> endpoints = {};
    // As last seen.
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    std::optional<capture::CaptureProcess> before = {};  // who it was before
    std::uint64_t deaths = 0;
    std::uint64_t oom_kills = 0;
    std::optional<MonotonicTime> oom_kill_at = {};  // of whom is not known yet
    std::optional<MonotonicTime> calm_at = {};      // not settled yet
    bool is_followed = false;
    MonotonicTime tried_at = {};
    std::string death_incident = {};  // open; empty: none
    std::optional<KernelWord> word = {};
    std::optional<LastDeath> last_death = {};
    std::vector<Recurring> recurring = {};
    // Of its last captures for memory, those in a row without a profile, and of
    // which incident they are.
    int without_profiles = 0;
    std::string without_profiles_of = {};
  };
  // What the watching thread needs of a row.
  struct Shared {
    std::string role;
    std::vector<capture::CaptureProcess> processes;
    // Of lives that memory ended soon after their start; empty: none.
    std::string lives_incident;
  };

  FirstResponse(const FirstResponseSettings& settings,
                const collect::Targets& targets,
                const std::vector<std::unique_ptr<collect::Scraper>>& scrapers,
                const recorder::Recording& recording, net::EventLoop& loop,
                evidence::IncidentList& incidents, CaptureHands hands);
  void OnTick();
  void Open(std::size_t row, const target::Instance& instance);
  void RefreshProcesses();
  void LookAtDeaths(std::size_t row);
  void OnDeath(std::size_t row, bool is_oom_kill, std::uint64_t count);
  void OnOomKill(std::size_t row);
  void LookAtEndpoints(std::size_t row);
  void OnEndpoint(std::size_t row, Endpoint* endpoint);
  std::optional<detect::PagePair> PagePairOf(std::size_t row) const;
  void EndCalm(std::size_t row);
  // What the memory of the row's next lives does belongs to it; empty: no more.
  void SetLivesIncident(std::size_t row, std::string incident);

  // On the watching thread.
  void OnPressure(const detect::PressureFiring& firing);
  // Runs it on the loop, unless this object is gone by then. Thread-safe.
  void Post(net::Task task);

  std::string NextId(std::size_t row);
  void RestoreDeaths(std::size_t row, const evidence::EventMeta& meta);
  void RestoreAftermath(std::size_t row, const evidence::EventInfo& event);
  // Begins an incident, unless there is one that it belongs to, and a capture
  // if the trigger's pace allows one. The incident's id; empty if there is none
  // that is to be ended.
  std::string Happened(std::size_t row, Happening what);
  // That of the same that happened last, if it is within a cooldown: what flaps
  // is one incident, else it would push all others out of the list.
  std::string IncidentOf(std::size_t row, Happening* what);
  // The same without a capture.
  void Tell(std::size_t row, const std::string& id, Happening what);
  // Not asked about, and why: "covered", "no_target".
  void Note(std::size_t row, TriggerKind kind, TriggerDecision decision,
            std::string_view reason);
  // What was captured before tells how it went on. Whether there was anything.
  // If `was_young`, it goes on over the next lives.
  bool TellOfDeath(std::size_t row, const evidence::EventDeath& death,
                   bool was_young);
  // Whether the word is news to it.
  static bool Apply(const KernelWord& word, evidence::EventDeath* death);
  // Makes the last death say what the kernel said.
  void CorrectDeath(std::size_t row);
  Status Begin(capture::CaptureRequest request);
  void Finish(const capture::CaptureResult& result);
  // Whether a capture for memory without profiles is to be tried again soon.
  bool IsRetried(Row* row, const capture::CaptureResult& result);
  void AddAftermath(capture::CaptureAftermath aftermath);

  const FirstResponseSettings settings_;
  const collect::Targets& targets_;
  const recorder::Recording& recording_;
  net::EventLoop& loop_;
  evidence::IncidentList& list_;
  const CaptureHands hands_;
  CaptureIncidents incidents_;
  std::function<void()> on_incident_;
  std::vector<Row> rows_;
  std::vector<FirstResponseCounts> counts_;  // by TriggerKind
  // The rows of captures, by incident and trigger.
  std::map<std::pair<std::string, TriggerKind>, std::size_t> in_flight_;
  std::vector<std::string> verdicts_;  // incidents of others, seen already
  std::map<std::string, net::EventLoop::Handle> aftermaths_;  // by event
  std::vector<capture::CaptureAftermath> late_aftermaths_;    // tried again
  MonotonicTime refreshed_at_;
  // Until then nobody is followed: what fires could not be kept.
  std::optional<MonotonicTime> waits_until_;

  mutable Mutex mutex_;
  std::vector<Shared> shared_ FODC_GUARDED_BY(mutex_);
  std::uint64_t ids_ FODC_GUARDED_BY(mutex_) = 0;
  std::string problem_ FODC_GUARDED_BY(mutex_);

  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  net::EventLoop::Handle timer_;
  // Last: its thread uses the others.
  std::unique_ptr<detect::MemoryWatch> watch_;
};

}  // namespace fodc::agent
