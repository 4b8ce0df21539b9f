// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "examples/kvload/client.h"
#include "examples/kvload/crew.h"
#include "examples/kvload/ledger.h"
#include "examples/kvload/loads.h"
#include "examples/kvload/tally.h"
#include "fodc/base/strings.h"

namespace kvload {

using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;

namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

class Spike {
 public:
  explicit Spike(const LoadOptions& options)
      : options_(options), crew_(options) {}

  Status Run() {
    std::vector<Tally> all(static_cast<std::size_t>(options_.connections));
    crew_.Run([&](std::size_t i) { all[i] = Hold(i); });
    Tally tally;
    for (const Tally& one : all) tally.Join(one);
    tally.CountBytes(sent_bytes_);
    (void)std::puts(tally.Json("spike", "put_held", crew_.elapsed()).c_str());
    return OkStatus();
  }

 private:
  Tally Hold(std::size_t index) {
    Tally tally;
    Client client(options_);
    const std::string key = StrCat("spike-", index);
    const std::string value = MakeValue(key, 1, options_.value_bytes);
    const fodc::MonotonicTime start = fodc::SystemClock().Monotonic();
    const Status held = Send(&client, key, value);
    while (held.ok() && !crew_.TimeIsOver() && !client.HasAnswer()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (held.ok() && !client.HasAnswer()) {
      client.SendBody(std::string_view(value).substr(value.size() - 1))
          .IgnoreError();
    }
    // A node that refused before the end has said so; the send failed then.
    tally.Count(client.ReadAnswer(), fodc::SystemClock().Monotonic() - start);
    return tally;
  }

  // All but the last byte, at this connection's share of the rate.
  Status Send(Client* client, const std::string& key,
              const std::string& value) {
    FODC_RETURN_IF_ERROR(client->Begin("PUT", "/kv/" + key, value.size()));
    std::string_view rest = std::string_view(value).substr(0, value.size() - 1);
    while (!rest.empty() && !crew_.TimeIsOver()) {
      if (client->HasAnswer()) return fodc::Unavailable("answered early");
      const std::string_view piece = rest.substr(0, kPieceBytes);
      const std::uint64_t sent = sent_bytes_ += piece.size();
      if (sent > options_.hold_bytes) return OkStatus();
      const std::chrono::duration<double> due(
          static_cast<double>(sent) / static_cast<double>(options_.hold_rate));
      if (due > crew_.elapsed()) {
        std::this_thread::sleep_for(due - crew_.elapsed());
      }
      FODC_RETURN_IF_ERROR(client->SendBody(piece));
      rest.remove_prefix(piece.size());
    }
    return OkStatus();
  }

  const LoadOptions& options_;
  Crew crew_;
  std::atomic<std::uint64_t> sent_bytes_{0};
};

}  // namespace

Status RunSpike(const LoadOptions& options) { return Spike(options).Run(); }

}  // namespace kvload
