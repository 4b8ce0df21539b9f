// SPDX-License-Identifier: Apache-2.0
// What a capture does, in which order, and how long each step may take. Pure:
// no process, file or clock is touched.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/capture/capture_request.h"
#include "fodc/capture/profile_type.h"

namespace fodc::capture {

enum class StepKind : std::uint8_t {
  kCounters,     // of the decision, the processes and the machine
  kStatus,       // /proc/<pid>/status
  kCgroup,       // the files of the target's group, limits of those above it
  kSmapsRollup,  // /proc/<pid>/smaps_rollup
  kProfile,
  kHeapTable,  // the table of heap samples that libfodc-guard shares
  kCommit,     // what there is until here is kept, whatever comes
  kLimits,
  kMounts,
  kSockets,      // numbers of sockets by kind and state
  kThreads,      // states, wait channels, kernel stacks
  kArguments,    // the command line, redacted
  kEnvironment,  // redacted
  kConfigFile,   // redacted
  kLogs,         // the last lines, redacted
  kPage,         // an endpoint's page, as it is served
  kWindow,       // of the recording, as a file
};

// Of the target.
enum class StepNeeds : std::uint8_t {
  kNothing,
  kAnswers,    // it lives
  kProcesses,  // it lives, and the agent sees its processes
};

struct CaptureStep {
  StepKind kind = StepKind::kCounters;
  std::string name{};    // of its receipt
  std::string file{};    // empty: none; of kLogs how names begin
  std::string source{};  // a path or URL, where it is known beforehand
  const ProfileType* profile = nullptr;  // of kProfile
  std::uint64_t max_bytes = 0;           // of the file
  // At most so long, and over by `latest` after the capture's beginning, so
  // that what follows has time left.
  std::chrono::nanoseconds max_duration{};
  std::chrono::nanoseconds latest{};
  StepNeeds needs = StepNeeds::kNothing;
  // Not to be tried, and why; empty: it is.
  std::string skip_reason{};
};

// A page that is captured as it is.
struct CaptureEndpoint {
  std::string name{};  // the URL without user and password
  std::string url{};
};

struct CapturePlanOptions {
  std::vector<const ProfileType*> profiles{};  // as ChooseProfileTypes gives
  bool has_profiles = true;  // the target has a source of profiles
  std::vector<std::string> config_files{};
  bool has_log_files = false;
  std::vector<CaptureEndpoint> endpoints{};
  bool has_window = false;

  std::chrono::nanoseconds wall_budget = std::chrono::seconds(10);
  std::chrono::nanoseconds profile_timeout = std::chrono::seconds(4);
  std::chrono::nanoseconds cpu_profile = std::chrono::seconds(2);
  std::uint64_t max_profile_bytes = 128u << 20;
  std::uint64_t max_page_bytes = 16u << 20;
  std::uint64_t max_window_bytes = 64u << 20;
  std::uint64_t max_log_bytes = 256u << 10;  // of one file
  std::uint64_t max_text_bytes = 1u << 20;   // of any other step
};

// "<prefix>.<name of the file>": the name of an artifact, whatever the path.
std::string ArtifactNameOf(std::string_view prefix, std::string_view path);

// The cheapest and most perishable first; what needs no living target last, and
// alone if `request` names no process. A profile for which the forecast leaves
// no time is in it with the reason why it is skipped.
std::vector<CaptureStep> PlanCapture(const CaptureRequest& request,
                                     const CapturePlanOptions& options);

}  // namespace fodc::capture
