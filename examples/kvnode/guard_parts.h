// SPDX-License-Identifier: Apache-2.0
// libfodc-guard in this node: every part, made from the node's options and
// linked to the others. What to copy is here and in main.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "examples/kvnode/gate.h"
#include "examples/kvnode/options.h"
#include "examples/kvnode/store.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/exit_cause.h"
#include "fodc/guard/isolation.h"
#include "fodc/guard/memwatch.h"
#include "fodc/guard/panic.h"
#include "fodc/guard/profile.h"
#include "fodc/guard/soft_limit.h"

namespace kvnode {

// The guard says what it has to say through the node's own log.
fodc::guard::EventSink ToNodeLog();

// First in main, before flags are read: a node that dies at every start leaves
// evidence, too. The evidence lies in `directory`.
void ArmCrash(const std::string& directory);

// Not thread-safe; the main thread's.
class GuardParts {
 public:
  // Begins to watch: before the store is opened, for a replay takes memory,
  // too. `metrics` and `life` must outlive the object. The watchdog sends
  // SIGTERM to this process: the end is the ordinary one.
  // Errors: of the parts, naming the flag at fault.
  static fodc::Result<std::unique_ptr<GuardParts>> Start(
      const Options& options, fodc::guard::Metrics* metrics,
      fodc::guard::Life* life);
  // The last thing in a stop: until here the watchdog's deadline bounds it.
  ~GuardParts();
  GuardParts(const GuardParts&) = delete;
  GuardParts& operator=(const GuardParts&) = delete;

  // From now on the soft limit takes from the store's cache. Once; the store
  // must live as long as anybody uses memory: until StopGivingBack.
  fodc::Status GiveBackFrom(Store* store, std::uint64_t cache_bytes);
  void StopGivingBack();

  Gate* gate() { return gate_.get(); }
  fodc::guard::PanicRecorder* panics() { return panics_.get(); }

 private:
  GuardParts(fodc::guard::Metrics* metrics, fodc::guard::Life* life)
      : metrics_(metrics), life_(life) {}
  fodc::Status StartPanics(const Options& options);
  fodc::Status StartIsolation(const Options& options);
  fodc::Status StartMemory(const Options& options);
  fodc::Status StartProfiles(const Options& options);

  fodc::guard::Metrics* const metrics_;
  fodc::guard::Life* const life_;

  std::unique_ptr<fodc::guard::PanicRecorder> panics_;
  std::unique_ptr<fodc::guard::Isolation> isolation_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<fodc::guard::SoftLimiter> soft_limiter_;
  std::unique_ptr<fodc::guard::ProfileServer> profiles_;
  std::unique_ptr<fodc::guard::Memwatch> memwatch_;  // goes first
};

}  // namespace kvnode
