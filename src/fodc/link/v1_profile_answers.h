// SPDX-License-Identifier: Apache-2.0
// For this room only: StreamPressureProfiles of a v1 proxy, the agent's end. A
// download that stalls holds up nothing but itself: lists are answered
// meanwhile, and what other streams have to say is no affair of this one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/link/evidence_sender.h"
#include "fodc/link/evidence_source.h"
#include "fodc/link/stream.h"

namespace fodc::link {

// The loop only.
class V1ProfileAnswers final : private Stream::Handler {
 public:
  // `source` may be null: then there are no profiles. `over`: the stream has
  // ended; `sent` gets the bytes of each piece that goes.
  V1ProfileAnswers(EvidenceSource* source, std::shared_ptr<Stream> stream,
                   std::function<void(std::size_t)> sent,
                   std::function<void(const Status&)> over);
  ~V1ProfileAnswers() override;

  void HalfClose() { stream_->Close(OkStatus()); }
  void Cancel() { stream_->Cancel(); }

 private:
  void OnMessage(Decoded message, std::size_t) override;
  void OnHalfClose() override {}  // the status follows
  void OnDrained() override { Pump(); }
  void OnDone(const Status& status) override;

  void List(const std::string& request_id);
  void Fetch(const banyandb::fodc::v1::FetchPressureProfile& question);
  void Answered();
  void Send(const banyandb::fodc::v1::StreamPressureProfilesRequest& m);
  void SendError(const banyandb::fodc::v1::FetchPressureProfile& question,
                 const std::string& text);
  void SendOfList();
  void SendPiece();
  void Pump();

  struct Fetching {
    banyandb::fodc::v1::FetchPressureProfile question;
    bool has_begun = false;
  };

  EvidenceSource* const source_;
  const std::shared_ptr<Stream> stream_;
  const std::function<void(std::size_t)> sent_;
  const std::function<void(const Status&)> over_;
  EvidenceSender sender_;
  // What is being sent, by the sender's name for it.
  std::map<std::uint64_t, Fetching> fetches_;
  std::uint64_t last_fetch_ = 0;
  // An answer that is being told, the next record last.
  std::vector<fleet::ListedEvent> records_;
  std::string list_id_;  // of the question
  bool has_list_ = false;
  bool owes_read_ = false;  // the next question, once the answer has left
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fodc::link
