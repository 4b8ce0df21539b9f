// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/v1_profiles.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::link {

namespace v1 = banyandb::fodc::v1;

namespace {

// A round that nobody completed: the next caller begins another.
constexpr std::chrono::seconds kForgetRound{30};

}  // namespace

V1Profiles::V1Profiles(ServerCore& core, const fleet::AgentId& id,
                       std::function<void()> read_on)
    : core_(core), id_(id), read_on_(std::move(read_on)) {}

void V1Profiles::SetStream(Send send) {
  send_ = std::move(send);
  silent_rounds_ = 0;
  if (send_) return;
  stage_.Clear();
  const Status gone =
      Unavailable(StrCat("agent ", id_, " disconnected during profile fetch"));
  EndRound(gone);
  if (current_ != nullptr) FailTransfer(current_.get(), gone);
  current_.reset();
  while (!waiting_.empty()) {
    const auto transfer = std::move(waiting_.front());
    waiting_.pop_front();
    FailTransfer(transfer.get(), gone);
  }
}

// By its start: callers of the same time are one.
void V1Profiles::CountSilence(MonotonicTime now) {
  if (!round_) return;
  std::erase_if(round_->waiting, [&](const Waiting& w) {
    if (w.deadline > now) return false;
    if (w.asked >= silent_since_) {
      silent_since_ = now;
      ++silent_rounds_;
    }
    return true;
  });
}

void V1Profiles::List(MonotonicTime deadline,
                      std::function<void(const Status&)> done) {
  if (!send_) {
    done(
        Unavailable(StrCat("agent ", id_, " has no pressure profiles stream")));
    return;
  }
  const MonotonicTime now = core_.Now();
  CountSilence(now);
  if (!round_) {
    round_ = Round{fleet::NewUuid(), now, {}};
    v1::StreamPressureProfilesResponse command;
    command.mutable_list_profiles()->set_request_id(round_->request_id);
    send_(command);
  }
  if (silent_rounds_ >= kSilentRounds) {
    ++core_.stats.v1_not_waited_for;
    done(Unavailable(StrCat("agent ", id_, " left its last ", silent_rounds_,
                            " questions for a list unanswered")));
    return;
  }
  round_->waiting.push_back({now, deadline, std::move(done)});
}

void V1Profiles::EndRound(const Status& status) {
  if (!round_) return;
  const auto waiting = std::move(round_->waiting);
  round_.reset();
  for (const Waiting& w : waiting) w.done(status);
}

// Whatever its id: what was staged is what the agent has. But one that was told
// already does not make the list empty.
void V1Profiles::OnComplete(const std::string& request_id) {
  silent_rounds_ = 0;
  const bool is_again = request_id == last_completed_ && stage_.empty();
  last_completed_ = request_id.substr(0, 64);
  std::size_t left_out = 0;
  std::vector<fleet::ListedEvent> events = stage_.TakeAll(&left_out);
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  if (agent != nullptr && !is_again) {
    Status status = core_.fleet.events().Replace(*agent, std::move(events));
    if (status.ok() && left_out > 0) {
      status = ResourceExhausted(StrCat(left_out, " are too many"));
    }
    if (!status.ok() && !std::exchange(told_refused_, true)) {
      LogWarn("not all pressure profiles that an agent lists can be kept",
              {{"agent_id", id_},
               {"pod_name", agent->identity.pod_name},
               {"status", status}});
    }
  }
  if (round_ && round_->request_id == request_id) EndRound(OkStatus());
}

void V1Profiles::Fetch(const V1ProfileName& name, MonotonicTime deadline,
                       const std::shared_ptr<fleet::Withdrawal>& withdrawal,
                       fleet::EvidenceCommander::FetchCallback done) {
  if (!send_) {
    done(
        Unavailable(StrCat("pressure profiles stream not established for agent "
                           "ID: ",
                           id_)));
    return;
  }
  if (waiting_.size() >= kMaxWaiting) {
    done(Unavailable(StrCat(kMaxWaiting, " downloads wait for agent ", id_)));
    return;
  }
  auto transfer = std::make_unique<Transfer>();
  transfer->number = ++last_number_;
  transfer->name = name;
  transfer->done = std::move(done);
  transfer->download.emplace(core_.downloads());
  const std::uint64_t number = transfer->number;
  transfer->deadline = core_.loop.RunAt(deadline, [this, number] {
    GiveUp(number,
           DeadlineExceeded(StrCat(
               "timed out waiting for profile chunk from agent ID: ", id_)));
  });
  if (withdrawal != nullptr) {
    withdrawal->Listen(
        [this, number] { GiveUp(number, Cancelled("nobody waits for it")); });
  }
  waiting_.push_back(std::move(transfer));
  NextTransfer();
}

void V1Profiles::NextTransfer() {
  if (current_ != nullptr || waiting_.empty() || !send_) return;
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  current_->request_id = fleet::NewUuid();
  current_->heard = core_.Now();
  v1::StreamPressureProfilesResponse command;
  auto* fetch = command.mutable_fetch_profile();
  fetch->set_request_id(current_->request_id);
  fetch->set_profile_id(current_->name.event_id);
  fetch->set_type(current_->name.type);
  fetch->set_filepath(current_->name.path);
  send_(command);
}

// Nothing has come of it yet.
void V1Profiles::GiveUp(std::uint64_t number, const Status& why) {
  if (current_ != nullptr && current_->number == number) {
    FailTransfer(current_.get(), why);
    return;
  }
  const auto it = std::find_if(
      waiting_.begin(), waiting_.end(),
      [number](const auto& transfer) { return transfer->number == number; });
  if (it == waiting_.end()) return;
  const auto transfer = std::move(*it);
  waiting_.erase(it);
  FailTransfer(transfer.get(), why);
}

// Nobody waits for it any more; what the agent sends of it is dropped.
void V1Profiles::FailTransfer(Transfer* transfer, const Status& status) {
  transfer->is_unwanted = true;
  transfer->full_since.reset();
  transfer->deadline.Cancel();
  transfer->download.reset();
  if (transfer->pipe != nullptr) {
    std::exchange(transfer->pipe, nullptr)->Fail(status);
  } else if (transfer->done) {
    auto done = std::move(transfer->done);
    transfer->done = nullptr;
    done(status);
  }
}

void V1Profiles::OnMessage(v1::StreamPressureProfilesRequest* message) {
  switch (message->payload_case()) {
    case v1::StreamPressureProfilesRequest::kRecord:
      stage_.Add(TakeRecord(message->mutable_record()));
      break;
    case v1::StreamPressureProfilesRequest::kListComplete:
      OnComplete(message->list_complete().request_id());
      break;
    case v1::StreamPressureProfilesRequest::kChunk:
      OnChunk(message->mutable_chunk());
      break;
    case v1::StreamPressureProfilesRequest::PAYLOAD_NOT_SET:
      break;
  }
}

void V1Profiles::OnChunk(v1::PressureProfileChunk* chunk) {
  if (current_ == nullptr || chunk->request_id() != current_->request_id) {
    return;  // of one that is over
  }
  Transfer& t = *current_;
  t.heard = core_.Now();
  if (!chunk->error().empty()) {
    const std::string text =
        StrCat("agent failed to serve profile: ", chunk->error());
    const bool is_gone =
        chunk->error().find("no such file") != std::string::npos;
    if (!t.is_unwanted) {
      FailTransfer(&t, is_gone ? NotFound(text) : Unavailable(text));
    }
    current_.reset();
    NextTransfer();
    return;
  }
  if (!t.is_unwanted && (chunk->last() || !chunk->data().empty())) {
    std::optional<fleet::EvidenceAnswer> answer;
    if (t.pipe == nullptr) {
      // A listing without a size says 0.
      const auto size =
          t.name.bytes == 0 ? std::nullopt : std::optional(t.name.bytes);
      t.deadline.Cancel();
      t.pipe = std::make_shared<EvidencePipe>(core_.loop.clock(), size);
      t.pipe->Listen(
          [this] {
            if (current_ == nullptr || !current_->full_since || is_full()) {
              return;
            }
            current_->full_since.reset();
            read_on_();
          },
          [this, number = t.number] {
            if (current_ == nullptr || current_->number != number) return;
            FailTransfer(current_.get(), Cancelled("nobody reads it"));
            read_on_();
          });
      answer.emplace();
      answer->size_bytes = size;
      answer->body = EvidencePipe::Body(t.pipe);
    }
    const auto pipe = t.pipe;
    auto done = std::move(t.done);
    t.done = nullptr;
    pipe->Push(std::move(*chunk->mutable_data()));
    if (chunk->last()) pipe->End();
    if (!chunk->last() && is_full()) t.full_since = core_.Now();
    if (answer) done(*std::move(answer));
  }
  if (chunk->last()) {
    current_.reset();
    NextTransfer();
  }
}

bool V1Profiles::is_full() const {
  return current_ != nullptr && current_->pipe != nullptr &&
         current_->pipe->buffered() >= kBufferBytes;
}

void V1Profiles::Tick(MonotonicTime now) {
  CountSilence(now);
  if (round_ && now - round_->asked > kForgetRound) {
    EndRound(DeadlineExceeded(StrCat("agent ", id_, " completes no list")));
  }
  if (current_ == nullptr) return;
  Transfer& t = *current_;
  if (t.full_since && now - *t.full_since > core_.options.v1_stall_timeout) {
    FailTransfer(&t, DeadlineExceeded("the reader is too slow for v1, where "
                                      "others wait for it"));
    read_on_();
    return;
  }
  const auto hungry = t.pipe == nullptr ? std::nullopt : t.pipe->hungry_since();
  if (hungry && now - *hungry > core_.options.evidence_piece_timeout) {
    FailTransfer(
        &t, DeadlineExceeded(StrCat(
                "timed out waiting for profile chunk from agent ID: ", id_)));
  }
  // It would have sent something of what nobody wants any more, be it because
  // it was told to be over.
  const bool is_unwanted =
      t.is_unwanted || (t.pipe != nullptr && t.pipe->is_over());
  if (is_unwanted && now - t.heard > core_.options.evidence_piece_timeout) {
    current_.reset();
    NextTransfer();
  }
}

}  // namespace fodc::link
