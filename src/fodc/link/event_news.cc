// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/event_news.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/link/evidence_codec.h"

namespace fodc::link {
namespace {

// Of an event in a message, and of the message.
constexpr std::size_t kEnvelopeBytes = 64;

}  // namespace

EventNews::EventNews(EvidenceSource* source, std::function<void()> wake)
    : source_(source), wake_(std::move(wake)) {}

void EventNews::Begin() {
  if (source_ == nullptr) return;
  has_begun_ = true;
  OnChanged();
}

void EventNews::OnChanged() {
  has_changed_ = true;
  Look();
}

void EventNews::LookAgain() { Look(); }

void EventNews::Look() {
  if (!has_begun_ || !has_changed_ || is_listing_ || has_more_) return;
  has_changed_ = false;
  is_listing_ = true;
  source_->List([this, alive = std::weak_ptr<bool>(alive_)](Listing listing) {
    if (!alive.expired()) Listed(std::move(listing));
  });
}

void EventNews::Listed(Listing listing) {
  is_listing_ = false;
  if (!listing.ok()) {
    if (!std::exchange(told_failure_, true)) {
      LogWarn("the events on disk cannot be listed",
              {{"status", listing.status()}});
    }
    has_changed_ = true;  // what is not known yet is told when LookAgain says
    return;
  }
  told_failure_ = false;
  std::map<std::string, State> states;
  for (const fleet::ListedEvent& e : *listing) {
    states[e.id] = {e.meta.revision, e.bytes, e.is_pinned};
  }
  events_ = *std::move(listing);
  gone_.clear();
  if (!is_whole_) {
    std::erase_if(events_, [&](const fleet::ListedEvent& e) {
      const auto it = told_.find(e.id);
      return it != told_.end() && it->second == states[e.id];
    });
    for (const auto& [id, state] : told_) {
      if (!states.contains(id)) gone_.push_back(id);
    }
  }
  // The oldest first: what the proxy must leave out is then the oldest.
  told_ = std::move(states);
  has_more_ = is_whole_ || !events_.empty() || !gone_.empty();
  if (has_more_) {
    wake_();
  } else {
    Look();
  }
}

bool EventNews::Take(std::size_t max_bytes,
                     const std::function<void(std::size_t bytes)>& left_out,
                     flight::v1::AgentMessage* out) {
  if (!has_more_) return false;
  const std::size_t room = max_bytes - std::min(max_bytes, kEnvelopeBytes);
  std::size_t bytes = 0;
  auto* events = is_whole_ ? out->mutable_event_list()->mutable_events()
                           : out->mutable_event_changes()->mutable_events();
  while (!events_.empty() && events->size() < kMaxEvents) {
    flight::v1::StoredEvent event;
    PutEvent(events_.back(), &event);
    const std::size_t size = event.ByteSizeLong() + kEnvelopeBytes;
    if (size > room) {
      left_out(size);
    } else if (bytes + size > room) {
      break;
    } else {
      bytes += size;
      *events->Add() = std::move(event);
    }
    events_.pop_back();
  }
  while (!gone_.empty() && bytes + kEnvelopeBytes <= room) {
    bytes += kEnvelopeBytes;
    out->mutable_event_changes()->add_gone(std::move(gone_.back()));
    gone_.pop_back();
  }
  has_more_ = !events_.empty() || !gone_.empty();
  if (is_whole_) {
    out->mutable_event_list()->set_is_first(std::exchange(is_first_, false));
    out->mutable_event_list()->set_is_last(!has_more_);
    is_whole_ = has_more_;
  }
  Look();
  return true;
}

}  // namespace fodc::link
