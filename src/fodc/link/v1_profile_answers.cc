// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/v1_profile_answers.h"

#include <limits>
#include <optional>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/evidence_codec.h"

namespace fodc::link {

namespace v1 = banyandb::fodc::v1;

namespace {

// As in Go's agent.
constexpr std::size_t kChunkBytes = 1u << 20;

}  // namespace

V1ProfileAnswers::V1ProfileAnswers(EvidenceSource* source,
                                   std::shared_ptr<Stream> stream,
                                   std::function<void(std::size_t)> sent,
                                   std::function<void(const Status&)> over)
    : source_(source),
      stream_(std::move(stream)),
      sent_(std::move(sent)),
      over_(std::move(over)),
      sender_(source, {.piece_bytes = kChunkBytes}, [this] { Pump(); }) {
  stream_->Attach(this);
  stream_->Read();
}

V1ProfileAnswers::~V1ProfileAnswers() {
  stream_->Detach();
  stream_->Cancel();
}

void V1ProfileAnswers::OnDone(const Status& status) { over_(status); }

void V1ProfileAnswers::OnMessage(Decoded message, std::size_t) {
  const auto& m =
      *std::static_pointer_cast<v1::StreamPressureProfilesResponse>(message);
  if (m.has_list_profiles()) {
    List(m.list_profiles().request_id());
  } else if (m.has_fetch_profile()) {
    Fetch(m.fetch_profile());
  } else {
    Answered();
  }
}

void V1ProfileAnswers::Answered() {
  owes_read_ = true;
  Pump();
}

void V1ProfileAnswers::Send(const v1::StreamPressureProfilesRequest& m) {
  stream_->Write(Encode(m));
}

void V1ProfileAnswers::List(const std::string& request_id) {
  list_id_ = request_id;
  if (source_ == nullptr) {
    has_list_ = true;
    Pump();
    return;
  }
  source_->List([this, alive = std::weak_ptr<bool>(alive_)](auto events) {
    if (alive.expired()) return;
    if (!events.ok()) {
      // Without an end to its list the proxy keeps the one that it has.
      LogWarn("the events on disk cannot be listed",
              {{"status", events.status()}});
      Answered();
      return;
    }
    records_ = *std::move(events);
    std::erase_if(records_, [](const fleet::ListedEvent& e) {
      return e.meta.profiles.empty();  // v1 has no words for what else it has
    });
    has_list_ = true;
    Pump();
  });
}

void V1ProfileAnswers::SendOfList() {
  v1::StreamPressureProfilesRequest m;
  if (!records_.empty()) {
    PutRecord(records_.back(), source_->root(), m.mutable_record());
    records_.pop_back();
    Send(m);
    return;
  }
  m.mutable_list_complete()->set_request_id(list_id_);
  Send(m);
  has_list_ = false;
  Answered();
}

void V1ProfileAnswers::Fetch(const v1::FetchPressureProfile& question) {
  if (source_ == nullptr) {
    SendError(question, "pressure profiler not available");
    Answered();
    return;
  }
  // The path names nothing here: the event's id and the type do.
  const Status path = CheckPathBelow(source_->root(), question.filepath());
  if (!path.ok()) {
    SendError(question, path.message());
    Answered();
    return;
  }
  if (sender_.fetches() >= EvidenceSender::Limits().fetches) {
    SendError(question, "too many downloads at once");
    Answered();
    return;
  }
  EvidenceWish wish;
  wish.event_id = question.profile_id();
  wish.profile_type = question.type();
  const std::uint64_t fetch = ++last_fetch_;
  fetches_[fetch].question = question;
  sender_.Begin(fetch, wish, std::nullopt,
                std::numeric_limits<std::uint64_t>::max());
  Answered();
}

void V1ProfileAnswers::SendError(const v1::FetchPressureProfile& question,
                                 const std::string& text) {
  v1::StreamPressureProfilesRequest m;
  v1::PressureProfileChunk* chunk = m.mutable_chunk();
  chunk->set_request_id(question.request_id());
  chunk->set_profile_id(question.profile_id());
  chunk->set_type(question.type());
  chunk->set_error(ToValidUtf8(text));
  chunk->set_last(true);
  Send(m);
}

// The end of a file is a chunk of its own, as Go has it.
void V1ProfileAnswers::SendPiece() {
  std::optional<EvidenceSender::Piece> piece = sender_.Take();
  if (!piece) return;
  const auto it = fetches_.find(piece->fetch);
  const v1::FetchPressureProfile question = it->second.question;
  const bool has_begun = std::exchange(it->second.has_begun, true);
  if (piece->is_last) fetches_.erase(it);
  if (!piece->error.ok()) {
    const Code code = piece->error.code();
    const bool is_gone =
        code == Code::kNotFound || code == Code::kInvalidArgument;
    const std::string& path = question.filepath();
    const std::string reason =
        is_gone ? StrCat("open ", path, ": no such file or directory")
                : piece->error.message();
    SendError(question, has_begun ? reason
                                  : StrCat("failed to open profile ",
                                           Quoted(path), ": ", reason));
    return;
  }
  v1::StreamPressureProfilesRequest m;
  v1::PressureProfileChunk* chunk = m.mutable_chunk();
  chunk->set_request_id(question.request_id());
  chunk->set_profile_id(question.profile_id());
  chunk->set_type(question.type());
  if (!piece->data.empty()) {
    sent_(piece->data.size());
    chunk->set_data(std::move(piece->data));
    Send(m);
  }
  if (!piece->is_last) return;
  chunk->clear_data();
  chunk->set_last(true);
  Send(m);
}

// One thing at a time leaves, of a list first.
void V1ProfileAnswers::Pump() {
  if (stream_->queued() > 0) return;
  if (std::exchange(owes_read_, false)) stream_->Read();
  if (has_list_) {
    SendOfList();
  } else {
    SendPiece();
  }
}

}  // namespace fodc::link
