// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/evidence_sender.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {

EvidenceSender::EvidenceSender(EvidenceSource* source, const Limits& limits,
                               std::function<void()> wake)
    : source_(source), limits_(limits), wake_(std::move(wake)) {}

void EvidenceSender::Begin(std::uint64_t fetch, const EvidenceWish& wish,
                           std::optional<std::uint64_t> length,
                           std::uint64_t credit) {
  // Who asks on without hearing that it is too much is not even told.
  if (fetches_.contains(fetch) || fetches_.size() >= 2 * limits_.fetches) {
    return;
  }
  const bool is_too_much = fetches_.size() >= limits_.fetches;
  const auto f =
      fetches_.emplace(fetch, std::make_shared<Fetch>()).first->second;
  f->credit = credit;
  f->left = length;
  if (is_too_much) {
    f->error = ResourceExhausted(
        StrCat("this agent serves ", limits_.fetches, " downloads at once"));
  } else if (source_ == nullptr) {
    f->error = Unavailable("this agent keeps no evidence");
  } else {
    source_->Open(wish, [this, weak = std::weak_ptr<Fetch>(f),
                         offset = wish.offset](auto opened) {
      const auto kept = weak.lock();
      if (kept == nullptr) return;
      Opened(kept.get(), offset, std::move(opened));
      ReadAhead(kept);
      wake_();
    });
    return;
  }
  wake_();
}

void EvidenceSender::Opened(Fetch* fetch, std::uint64_t offset,
                            Result<OpenedEvidence> opened) {
  if (!opened.ok()) {
    fetch->error = opened.status();
    return;
  }
  fetch->reader = std::move(opened->reader);
  fetch->info = std::move(opened->info);
  if (const auto& size = fetch->info->size_bytes) {
    const std::uint64_t rest = *size - std::min(*size, offset);
    fetch->left = std::min(fetch->left.value_or(rest), rest);
  }
}

void EvidenceSender::ReadAhead(const std::shared_ptr<Fetch>& fetch) {
  Fetch& f = *fetch;
  if (f.reader == nullptr || f.is_reading || f.is_at_end || !f.ready.empty() ||
      !f.error.ok()) {
    return;
  }
  if (f.left == 0) {
    f.is_at_end = true;
    return;
  }
  std::uint64_t room = std::min<std::uint64_t>(
      limits_.piece_bytes, f.credit - std::min(f.credit, f.read));
  if (f.left) room = std::min(room, *f.left);
  if (room == 0) return;
  f.is_reading = true;
  f.reader->Read(
      static_cast<std::size_t>(room),
      [this, weak = std::weak_ptr<Fetch>(fetch)](Result<std::string> bytes) {
        const auto kept = weak.lock();
        if (kept == nullptr) return;
        kept->is_reading = false;
        if (!bytes.ok()) {
          kept->error = bytes.status();
        } else if (bytes->empty()) {
          kept->is_at_end = true;
        } else {
          kept->read += bytes->size();
          if (kept->left) *kept->left -= bytes->size();
          kept->ready = *std::move(bytes);
        }
        wake_();
      });
}

void EvidenceSender::Grant(std::uint64_t fetch, std::uint64_t credit) {
  const auto it = fetches_.find(fetch);
  if (it == fetches_.end()) return;
  it->second->credit = std::max(it->second->credit, credit);
  ReadAhead(it->second);
  if (it->second->is_at_end) wake_();
}

std::optional<EvidenceSender::Piece> EvidenceSender::Take() {
  auto it = fetches_.upper_bound(last_taken_);
  for (std::size_t i = 0; i < fetches_.size(); ++i, ++it) {
    if (it == fetches_.end()) it = fetches_.begin();
    const auto fetch = it->second;
    if (fetch->ready.empty() && !fetch->is_at_end && fetch->error.ok()) {
      continue;
    }
    last_taken_ = it->first;
    Piece piece;
    piece.fetch = it->first;
    piece.data = std::exchange(fetch->ready, {});
    // What was read before it failed is worth having.
    if (piece.data.empty()) piece.error = fetch->error;
    piece.info = std::exchange(fetch->info, std::nullopt);
    ReadAhead(fetch);
    piece.is_last = !piece.error.ok() || (fetch->is_at_end && piece.error.ok());
    if (piece.is_last) fetches_.erase(it);
    return piece;
  }
  return std::nullopt;
}

}  // namespace fodc::link
