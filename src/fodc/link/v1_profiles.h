// SPDX-License-Identifier: Apache-2.0
// For this room only: StreamPressureProfiles of one v1 agent, the proxy's end.
// An agent answers one command after the other, records name no command, and
// nothing that was asked can be taken back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/link/evidence_codec.h"
#include "fodc/link/evidence_pipe.h"
#include "fodc/link/server_core.h"

namespace fodc::link {

// A file that the agent listed.
struct V1ProfileName {
  std::string event_id;
  std::string type;
  std::string path;
  std::uint64_t bytes = 0;
};

// The loop only. Its owner feeds it and reads on unless is_full().
class V1Profiles {
 public:
  using Send = std::function<void(
      const banyandb::fodc::v1::StreamPressureProfilesResponse&)>;
  // Of one fetch; when so much waits for its reader, the agent's stream is not
  // read on, but no longer than v1_stall_timeout: then the reader loses.
  static constexpr std::size_t kBufferBytes = 4u << 20;
  static constexpr std::size_t kMaxWaiting = 16;

  // `id`: of the agent, once it is registered. `read_on`: it is full no more.
  V1Profiles(ServerCore& core, const fleet::AgentId& id,
             std::function<void()> read_on);

  // There is a stream, or, null, there is none: what waits then fails.
  void SetStream(Send send);

  // Joins the round that is open, or begins one.
  void List(std::function<void(const Status&)> done);
  // `withdrawal` may be null.
  void Fetch(const V1ProfileName& name, MonotonicTime deadline,
             const std::shared_ptr<fleet::Withdrawal>& withdrawal,
             fleet::EvidenceCommander::FetchCallback done);
  void OnMessage(banyandb::fodc::v1::StreamPressureProfilesRequest* message);
  bool is_full() const;
  void Tick(MonotonicTime now);

 private:
  struct Round {
    std::string request_id;
    MonotonicTime asked;
    std::vector<std::function<void(const Status&)>> waiting;
  };
  struct Transfer {
    std::uint64_t number = 0;
    V1ProfileName name;
    std::string request_id;                        // once it was asked for
    fleet::EvidenceCommander::FetchCallback done;  // until the first byte
    std::shared_ptr<EvidencePipe> pipe;            // from then on
    bool is_unwanted = false;  // its chunks still come, and are dropped
    MonotonicTime heard;
    std::optional<MonotonicTime> full_since;
    net::EventLoop::Handle deadline;
    std::shared_ptr<void> hurry;
  };

  void OnComplete(const std::string& request_id);
  void OnChunk(banyandb::fodc::v1::PressureProfileChunk* chunk);
  void EndRound(const Status& status);
  void GiveUp(std::uint64_t number, const Status& why);
  void FailTransfer(Transfer* transfer, const Status& status);
  void NextTransfer();

  ServerCore& core_;
  const fleet::AgentId& id_;
  const std::function<void()> read_on_;
  Send send_;
  std::optional<Round> round_;
  std::string last_completed_;
  EventStage stage_;
  bool told_refused_ = false;  // in the log
  std::unique_ptr<Transfer> current_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  std::uint64_t last_number_ = 0;
};

}  // namespace fodc::link
