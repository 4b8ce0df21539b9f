// SPDX-License-Identifier: Apache-2.0
// Where the guard's isolation meets HTTP: which requests are heavy, and what a
// client is told that is not let in. Nothing waits here; who is refused may
// try again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/guard/isolation.h"
#include "fodc/guard/metrics.h"
#include "fodc/net/http_server.h"

namespace kvnode {

// The classes of heavy requests, in the order of GateSlots. Reads and writes of
// one key are light: they never wait for a slot.
enum class HeavyClass : std::size_t {
  kStreamRead = 0,  // a whole stream: somebody waits for it
  kScan = 1,        // maintenance; must not starve the reads
};
fodc::guard::SlotOptions GateSlots(unsigned slots);

// 503 SlowDown or 413, behind which the connection ends.
fodc::net::HttpResponse Refused(fodc::guard::Refusal refusal);

// Belongs to the loop's thread. All that it is given must outlive it.
class Gate final : public fodc::net::HttpGate {
 public:
  // Refusals of heavy requests that an address is told of within a second.
  // Who waits as long as he is told, on a few dozen connections, stays below.
  static constexpr unsigned kMostRefusals = 64;

  // `held_back` counts connections that were closed without a word.
  Gate(fodc::guard::Isolation* isolation, fodc::guard::Counter* held_back,
       const fodc::Clock& clock)
      : isolation_(isolation), held_back_(held_back), clock_(clock) {}

  // At most so many connections of one address. Who comes back at once
  // whenever he is refused is not let in for the rest of the second: telling
  // him so again and again would cost more than what he is refused.
  fodc::Result<std::shared_ptr<void>> Connect(
      const std::string& peer_address) override;
  // Takes the body's bytes before one of them is read. They are given back
  // with the request, when its outcome is final.
  std::optional<fodc::net::HttpResponse> Admit(
      fodc::net::HttpRequest* request,
      std::optional<std::uint64_t> body_bytes) override;

  // At the hard level a write is not even copied: what it would take is what
  // the stop needs.
  bool TakesWrites() {
    return isolation_->limits_level() != fodc::guard::MemoryLevel::kHard;
  }

  fodc::guard::HeavyWork AdmitHeavy(HeavyClass heavy,
                                    const fodc::net::HttpRequest& request);
  // To be called before the metrics are shown.
  void UpdateMetrics() { isolation_->UpdateMetrics(); }

 private:
  // Since when the refusals are counted: one second for all.
  void BeginSecond();

  fodc::guard::Isolation* const isolation_;
  fodc::guard::Counter* const held_back_;
  const fodc::Clock& clock_;
  fodc::MonotonicTime second_begin_;
  std::map<std::string, unsigned, std::less<>> refusals_;  // by address
};

}  // namespace kvnode
