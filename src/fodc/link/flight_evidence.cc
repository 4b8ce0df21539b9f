// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/flight_evidence.h"

#include <optional>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {

using flight::v1::AgentMessage;
using flight::v1::ProxyMessage;

namespace {

// Questions to pin that wait for the disk; beyond, they are refused.
constexpr int kMaxPins = 16;

}  // namespace

FlightEvidence::FlightEvidence(EvidenceSource* source,
                               std::function<void()> wake,
                               std::function<void(const AgentMessage&)> send)
    : source_(source),
      send_(std::move(send)),
      news_(source, wake),
      sender_(source, {}, wake) {}

void FlightEvidence::OnMessage(const ProxyMessage& message) {
  switch (message.body_case()) {
    case ProxyMessage::kEvidenceFetch:
      OnFetch(message.evidence_fetch());
      break;
    case ProxyMessage::kEvidenceCredit:
      sender_.Grant(message.evidence_credit().fetch(),
                    message.evidence_credit().credit_bytes());
      break;
    case ProxyMessage::kEvidenceCancel:
      sender_.Cancel(message.evidence_cancel().fetch());
      break;
    case ProxyMessage::kEventPin:
      OnPin(message.event_pin());
      break;
    default:
      break;
  }
}

void FlightEvidence::OnFetch(const flight::v1::EvidenceFetch& fetch) {
  EvidenceWish wish;
  wish.event_id = fetch.event_id();
  wish.artifact = fetch.artifact();
  wish.offset = fetch.offset();
  sender_.Begin(
      fetch.fetch(), wish,
      fetch.has_length() ? std::optional(fetch.length()) : std::nullopt,
      fetch.credit_bytes());
}

void FlightEvidence::OnPin(const flight::v1::EventPin& pin) {
  if (source_ == nullptr) {
    Answer(pin.number(), Unavailable("this agent keeps no evidence"));
    return;
  }
  if (pins_ == kMaxPins) {
    Answer(pin.number(), Unavailable("too many pins at once"));
    return;
  }
  ++pins_;
  source_->Pin(pin.event_id(), pin.is_pinned(),
               [this, alive = std::weak_ptr<bool>(alive_),
                number = pin.number()](const Status& status) {
                 if (alive.expired()) return;
                 --pins_;
                 Answer(number, status);
               });
}

void FlightEvidence::Answer(std::uint64_t number, const Status& status) {
  AgentMessage m;
  flight::v1::PinAnswer* a = m.mutable_pin_answer();
  a->set_number(number);
  a->set_code(static_cast<std::uint32_t>(status.code()));
  a->set_message(ToValidUtf8(status.message()));
  send_(m);
}

bool FlightEvidence::Take(
    std::size_t max_bytes,
    const std::function<void(std::size_t bytes)>& left_out, AgentMessage* out) {
  if (news_.Take(max_bytes, left_out, out)) return true;
  std::optional<EvidenceSender::Piece> piece = sender_.Take();
  if (!piece) return false;
  flight::v1::EvidencePiece* p = out->mutable_evidence_piece();
  p->set_fetch(piece->fetch);
  p->set_data(std::move(piece->data));
  p->set_is_last(piece->is_last);
  if (piece->info) {
    flight::v1::EvidenceInfo* info = p->mutable_info();
    if (piece->info->size_bytes) {
      info->set_size_bytes(*piece->info->size_bytes);
    }
    info->set_sha256(piece->info->sha256);
    info->set_revision(piece->info->revision);
  }
  p->set_code(static_cast<std::uint32_t>(piece->error.code()));
  p->set_message(ToValidUtf8(piece->error.message()));
  return true;
}

}  // namespace fodc::link
