// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/flight_fetches.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::link {

using fleet::EvidenceAnswer;
using flight::v1::ProxyMessage;

namespace {

constexpr std::size_t kMaxPins = 16;

Status Told(std::uint32_t code, const std::string& message) {
  // A code that is none of gRPC's tells nothing.
  return Status(code <= static_cast<std::uint32_t>(Code::kUnauthenticated)
                    ? static_cast<Code>(code)
                    : Code::kUnknown,
                message);
}

// How many bytes come, if that is known.
std::optional<std::uint64_t> Expected(const fleet::EvidenceQuestion& question,
                                      std::optional<std::uint64_t> size) {
  if (!size) return std::nullopt;
  const std::uint64_t rest = *size - std::min(*size, question.offset);
  return std::min(rest, question.length.value_or(rest));
}

}  // namespace

void FlightFetches::Fetch(const fleet::EvidenceQuestion& question,
                          MonotonicTime deadline,
                          fleet::EvidenceCommander::FetchCallback done) {
  if (open_.size() >= kMaxFetches) {
    done(Unavailable(
        StrCat("the agent serves ", kMaxFetches, " downloads already")));
    return;
  }
  const std::uint64_t fetch = ++last_number_;
  Open& open = open_[fetch];
  open.question = question;
  open.done = std::move(done);
  open.hurry = core_.Hurry();
  open.deadline = core_.loop.RunAt(deadline, [this, fetch] {
    Fail(fetch, DeadlineExceeded("the agent did not begin to send in time"),
         /*agent_stops=*/false);
  });
  if (question.withdrawal != nullptr) {
    question.withdrawal->Listen([this, fetch] {
      Fail(fetch, Cancelled("nobody waits for it"), /*agent_stops=*/false);
    });
  }
  ProxyMessage m;
  flight::v1::EvidenceFetch* f = m.mutable_evidence_fetch();
  f->set_fetch(fetch);
  f->set_event_id(question.event_id);
  f->set_artifact(question.artifact);
  f->set_offset(question.offset);
  if (question.length) f->set_length(*question.length);
  f->set_credit_bytes(open.granted);
  send_(m);
}

void FlightFetches::Begin(std::uint64_t fetch, Open* open,
                          const flight::v1::EvidencePiece& piece) {
  std::optional<std::uint64_t> size;
  if (piece.info().has_size_bytes()) size = piece.info().size_bytes();
  open->deadline.Cancel();
  open->pipe = std::make_shared<EvidencePipe>(core_.loop.clock(),
                                              Expected(open->question, size));
  open->pipe->Listen([this, fetch] { Grant(fetch); },
                     [this, fetch] { Cancel(fetch); });
}

Status FlightFetches::OnPiece(flight::v1::EvidencePiece* piece) {
  const auto it = open_.find(piece->fetch());
  if (it == open_.end()) return OkStatus();  // it was cancelled
  Open& open = it->second;
  open.received += piece->data().size();
  if (open.received > open.granted) {
    return ResourceExhausted("evidence beyond what was granted");
  }
  if (piece->code() != 0) {
    Fail(piece->fetch(), Told(piece->code(), piece->message()),
         /*agent_stops=*/true);
    return OkStatus();
  }
  const bool is_first = open.pipe == nullptr;
  if (is_first) Begin(it->first, &open, *piece);
  const auto pipe = open.pipe;
  const auto done = std::make_shared<fleet::EvidenceCommander::FetchCallback>(
      std::move(open.done));
  if (piece->is_last()) open_.erase(it);
  // From here on whoever reads may cancel.
  pipe->Push(std::move(*piece->mutable_data()));
  if (piece->is_last()) pipe->End();
  if (is_first) {
    EvidenceAnswer answer;
    if (piece->info().has_size_bytes()) {
      answer.size_bytes = piece->info().size_bytes();
    }
    answer.sha256 = piece->info().sha256();
    answer.revision = piece->info().revision();
    answer.body = EvidencePipe::Body(pipe);
    (*done)(std::move(answer));
  }
  return OkStatus();
}

void FlightFetches::Grant(std::uint64_t fetch) {
  const auto it = open_.find(fetch);
  if (it == open_.end()) return;
  Open& open = it->second;
  const std::uint64_t now = open.pipe->taken() + kWindow;
  if (now - open.granted < kWindow / 4) return;
  open.granted = now;
  ProxyMessage m;
  m.mutable_evidence_credit()->set_fetch(fetch);
  m.mutable_evidence_credit()->set_credit_bytes(now);
  send_(m);
}

void FlightFetches::Cancel(std::uint64_t fetch) {
  if (open_.erase(fetch) == 0) return;
  ProxyMessage m;
  m.mutable_evidence_cancel()->set_fetch(fetch);
  send_(m);
}

void FlightFetches::Fail(std::uint64_t fetch, const Status& status,
                         bool agent_stops) {
  auto node = open_.extract(fetch);
  if (node.empty()) return;
  if (!agent_stops) {
    ProxyMessage m;
    m.mutable_evidence_cancel()->set_fetch(fetch);
    send_(m);
  }
  Open& open = node.mapped();
  if (open.pipe != nullptr) {
    open.pipe->Fail(status);
  } else {
    open.done(status);
  }
}

void FlightFetches::Pin(const std::string& event_id, bool pinned,
                        MonotonicTime deadline,
                        fleet::EvidenceCommander::DoneCallback done) {
  if (pins_.size() >= kMaxPins) {
    done(Unavailable("the agent has too many questions to pin"));
    return;
  }
  const std::uint64_t number = ++last_number_;
  OpenPin& pin = pins_[number];
  pin.done = std::move(done);
  pin.deadline = core_.loop.RunAt(deadline, [this, number] {
    FinishPin(number, DeadlineExceeded("the agent did not answer in time"));
  });
  ProxyMessage m;
  m.mutable_event_pin()->set_number(number);
  m.mutable_event_pin()->set_event_id(event_id);
  m.mutable_event_pin()->set_is_pinned(pinned);
  send_(m);
}

void FlightFetches::OnPinAnswer(const flight::v1::PinAnswer& answer) {
  FinishPin(answer.number(), Told(answer.code(), answer.message()));
}

void FlightFetches::FinishPin(std::uint64_t number, const Status& status) {
  auto node = pins_.extract(number);
  if (!node.empty()) node.mapped().done(status);
}

void FlightFetches::Tick(MonotonicTime now) {
  std::vector<std::uint64_t> late;
  for (const auto& [fetch, open] : open_) {
    if (open.pipe == nullptr) continue;
    const auto since = open.pipe->hungry_since();
    if (since && now - *since > core_.options.evidence_piece_timeout) {
      late.push_back(fetch);
    }
  }
  for (const std::uint64_t fetch : late) {
    Fail(fetch, DeadlineExceeded("the agent sends no more"),
         /*agent_stops=*/false);
  }
}

void FlightFetches::Close(const Status& status) {
  while (!open_.empty()) {
    Fail(open_.begin()->first, status, /*agent_stops=*/true);
  }
  while (!pins_.empty()) FinishPin(pins_.begin()->first, status);
}

}  // namespace fodc::link
