// SPDX-License-Identifier: Apache-2.0
// For this room only: which events of an agent one proxy has yet to be told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/evidence_source.h"

namespace fodc::link {

// Of one session; the loop only. What is on disk is the queue: it is listed
// again when there is nothing more to tell of the last listing.
class EventNews {
 public:
  // `source` may be null: nothing is ever told. `wake` is called when Take may
  // find something.
  EventNews(EvidenceSource* source, std::function<void()> wake);

  // The proxy wants to know, all of it first.
  void Begin();
  // There is another event, or one has changed or gone.
  void OnChanged();

  // From time to time: a listing that failed is tried again.
  void LookAgain();

  // The next message, up to `max_bytes` when encoded; false: nothing now. An
  // event that is larger by itself is never told: `left_out` gets its bytes.
  bool Take(std::size_t max_bytes,
            const std::function<void(std::size_t bytes)>& left_out,
            flight::v1::AgentMessage* out);

 private:
  using Listing = Result<std::vector<fleet::ListedEvent>>;
  // Revision, bytes, pinned: two alike are one.
  using State = std::tuple<std::uint32_t, std::uint64_t, bool>;

  void Look();
  void Listed(Listing listing);

  EvidenceSource* const source_;
  const std::function<void()> wake_;
  bool has_begun_ = false;
  bool has_changed_ = false;
  bool is_listing_ = false;
  bool told_failure_ = false;  // in the log
  bool is_whole_ = true;       // what is being told is the whole list
  bool has_more_ = false;      // of it
  bool is_first_ = true;
  std::vector<fleet::ListedEvent> events_;  // the next one last
  std::vector<std::string> gone_;
  std::map<std::string, State> told_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fodc::link
