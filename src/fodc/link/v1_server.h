// SPDX-License-Identifier: Apache-2.0
// For this room only: the proxy's end of banyandb.fodc.v1, one agent.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/fleet/question_queue.h"
#include "fodc/link/server_core.h"
#include "fodc/link/v1_profiles.h"

namespace fodc::link {

// The streams of v1 beside RegisterAgent, in the order of the contract.
enum class V1Stream : std::uint8_t {
  kMetrics,
  kTopology,
  kLifecycle,
  kCrash,
  kPressure,
  kSchema,
};
inline constexpr std::size_t kV1Streams = 6;
std::string_view V1StreamName(V1Stream kind);  // "StreamMetrics"

// What the thread that decodes an agent's samples knows of the session.
class V1Shared {
 public:
  // The labels that the agent registered.
  void Set(fleet::Labels labels);
  std::shared_ptr<const fleet::Labels> Get() const;

  // Whether a question is open. What nobody asked for is not worth decoding.
  std::atomic<bool> awaits_answer{false};

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const fleet::Labels> labels_ FODC_GUARDED_BY(mutex_);
};

Decoder V1RegisterDecoder();
// `shared` is used by kMetrics alone, which gives null for a large answer that
// nobody asked for.
Decoder V1StreamDecoder(V1Stream kind, std::shared_ptr<V1Shared> shared,
                        const Clock& clock);

class V1Session final : public AgentSession, private Stream::Handler {
 public:
  V1Session(ServerCore& core, std::shared_ptr<ServerStream> registration);
  ~V1Session() override;
  void Start();

  // Takes a data stream of this agent.
  // Errors: kPermissionDenied when one of this kind is live already.
  Status Bind(V1Stream kind, std::shared_ptr<ServerStream> stream,
              std::shared_ptr<V1Shared> shared);

  // An agent that left several questions in a row unanswered is asked in the
  // background, and nobody waits for it until it answers again.
  void Ask(const fleet::MetricsQuestion& question, MonotonicTime deadline,
           fleet::AgentCommander::MetricsCallback done);

  void Probe(std::function<void(bool alive)> done) override;
  void Dismiss(const Status& status, std::uint32_t retry_after_ms) override;
  void Tick(MonotonicTime now) override;
  void AddStats(LinkServer::Stats* stats) const override;
  void RefreshEvents(MonotonicTime deadline,
                     std::function<void(const Status&)> done) override;
  void Fetch(const fleet::EvidenceQuestion& question, MonotonicTime deadline,
             fleet::EvidenceCommander::FetchCallback done) override;
  void Pin(const std::string& event_id, bool pinned, MonotonicTime deadline,
           fleet::EvidenceCommander::DoneCallback done) override;

 private:
  // One of the six.
  struct Data final : Stream::Handler {
    void OnMessage(Decoded message, std::size_t bytes) override;
    void OnHalfClose() override;
    void OnRefused(const Status& status) override;
    void OnDone(const Status& status) override;
    V1Session* session = nullptr;
    V1Stream kind = V1Stream::kMetrics;
    std::shared_ptr<ServerStream> stream;
    std::shared_ptr<V1Shared> shared;
    bool owes_read = false;  // kPressure: what came must be taken first
  };
  Data& At(V1Stream kind) { return data_[static_cast<std::size_t>(kind)]; }

  void OnMessage(Decoded message, std::size_t bytes) override;
  void OnHalfClose() override;
  void OnRefused(const Status& status) override;
  void OnDone(const Status& status) override;

  void Heard();
  void Refused(std::string_view stream, const Status& status);
  void Try(const fleet::MetricsQuestion& question, MonotonicTime deadline,
           fleet::AgentCommander::MetricsCallback done);
  void Finish(const Status& status);
  void Lost(Data* data);
  void ArmQuestions();

  ServerCore& core_;
  std::shared_ptr<ServerStream> registration_;
  const MonotonicTime opened_at_;
  bool ended_ = false;
  std::array<Data, kV1Streams> data_;
  std::vector<std::function<void(bool)>> probes_;
  MonotonicTime probe_until_;
  std::unique_ptr<fleet::QuestionQueue> questions_;
  net::EventLoop::Handle questions_timer_;
  int silent_rounds_ = 0;  // questions in a row that were not answered in time
  MonotonicTime silent_since_;  // when the last of them was given up
  V1Profiles profiles_;
  bool trying_ = false;  // one is under way for which nobody waits
};

}  // namespace fodc::link
