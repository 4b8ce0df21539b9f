// SPDX-License-Identifier: Apache-2.0
// What is known of one event: the meta.json of its directory. Go's agent writes
// the first nine keys and reads no others; ours come behind them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/incident.h"

namespace fodc::evidence {

// A profile, as both kinds of agent list it. (Texts are `{}` so that designated
// initializers may leave them out.)
struct EventProfile {
  std::string type{};      // "heap"
  std::string filename{};  // in the event's directory
  // Absolute, on the agent. It leaves the agent towards v1 peers only.
  std::string filepath{};
  std::string format = "pprof";
  std::uint64_t size_bytes = 0;

  bool operator==(const EventProfile&) const = default;
};

enum class StepOutcome : std::uint8_t {
  kComplete,
  kCut,      // its file holds what came until then
  kFailed,   // it has no file
  kSkipped,  // it was not tried
};
// "complete", "cut", "failed", "skipped".
std::string_view StepOutcomeName(StepOutcome outcome);

// The receipt of one step of a capture.
struct EventStep {
  std::string step{};    // "heap"
  std::string file{};    // in the event's directory; empty: none
  std::string source{};  // "http://localhost:6060/debug/pprof/heap"
  UnixTime started{};
  std::chrono::nanoseconds duration{};
  std::uint64_t bytes = 0;
  std::string sha256{};  // of `file`, as Sha256::Hex gives it; or empty
  StepOutcome outcome = StepOutcome::kComplete;
  std::string reason{};  // why it is not complete

  bool operator==(const EventStep&) const = default;
};

// Why it was captured, with all that went into the decision.
struct EventTrigger {
  std::string kind{};     // "memory_pressure"; empty: not known
  std::string summary{};  // one sentence for people
  std::vector<IncidentNumber> inputs{};

  bool operator==(const EventTrigger&) const = default;
};

// How the target died after it.
struct EventDeath {
  UnixTime at{};
  std::optional<std::int32_t> exit_code{};
  std::optional<std::int32_t> signal{};
  bool oom_killed = false;  // the kernel said so
  std::uint32_t count = 1;  // of a target that dies again and again
  std::string summary{};

  bool operator==(const EventDeath&) const = default;
};

struct EventMeta {
  // When it was triggered. The store sets it to the time of the event's id.
  UnixTime captured_at{};
  std::string pod_name{};
  std::string role{};
  std::string source_endpoint{};
  std::vector<EventProfile> profiles{};
  std::uint64_t rss_bytes = 0;
  std::uint64_t cgroup_limit_bytes = 0;
  std::uint64_t threshold_bytes = 0;
  std::uint32_t trigger_percent = 0;

  // From here on ours; all empty in what Go wrote. Revision: from 1, set by the
  // store.
  std::uint32_t revision = 0;
  std::string incident_id{};
  std::string target{};
  // Names one ramp-up of the target's memory, from the trigger armed to the
  // trigger armed again; the same in all events of it.
  std::string ramp_up{};
  EventTrigger trigger{};
  std::vector<EventStep> steps{};
  std::optional<EventDeath> death{};
  // The target has profiles, and none of them came in time.
  bool lacks_profiles = false;

  bool operator==(const EventMeta&) const = default;
};

inline constexpr std::size_t kMaxMetaBytes = 256u << 10;
inline constexpr std::size_t kMaxEventProfiles = 64;
inline constexpr std::size_t kMaxEventSteps = 128;
// Of every text in it.
inline constexpr std::size_t kMaxMetaTextBytes = 4096;

// Whether it may be kept and shown: within the bounds above and those of
// IncidentNumber, UTF-8, file names as CheckArtifactName wants them and each
// but once among the profiles and once among the steps, and of the same size in
// both, sums and durations in range. Errors: kInvalidArgument naming the key.
Status CheckEventMeta(const EventMeta& meta);

// The names of all files of the event, the profiles' first, each once.
std::vector<std::string> EventFiles(const EventMeta& meta);

// The text of meta.json, byte for byte as Go writes it where `meta` holds no
// more than Go knows: two spaces, no line feed at the end.
std::string EncodeEventMeta(const EventMeta& meta);
// A text with the last part alone of each absolute path in it, also of a
// socket's ("unix:/run/node.sock"); URLs stay.
std::string WithoutDirectories(std::string_view text);
// EncodeEventMeta without what is only true on the agent: each `filepath` is
// its `filename`, and sources and receipts are WithoutDirectories.
std::string EncodeEventMetaForOthers(EventMeta meta);

// Keys that it does not know are ignored, those that are missing have the value
// above. Errors: kDataLoss naming the key, or where it is no JSON; also for
// what CheckEventMeta refuses, and beyond kMaxMetaBytes.
Result<EventMeta> DecodeEventMeta(std::string_view text);

}  // namespace fodc::evidence
