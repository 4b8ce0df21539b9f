// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/open_rows.h"

#include <algorithm>
#include <cstring>

namespace fodc::recorder {
namespace {

constexpr std::size_t kBlockBytes = 4096 - 64;
constexpr std::size_t kBlockOverhead = 64;

struct RowHead {
  Sequence sequence;
  FrameTime time;
  std::uint32_t size;
  SourceId source;
};

}  // namespace

void OpenRows::Append(const SealRow& row) {
  RowHead head{};
  head.sequence = row.sequence;
  head.time = row.time;
  head.size = static_cast<std::uint32_t>(row.payload.size());
  head.source = row.source;
  const std::size_t need = sizeof head + row.payload.size();
  if (blocks_.empty() || blocks_.back()->capacity - used_.back() < need) {
    blocks_.push_back(std::make_shared<Block>(std::max(need, kBlockBytes)));
    used_.push_back(0);
  }
  char* to = blocks_.back()->bytes.get() + used_.back();
  std::memcpy(to, &head, sizeof head);
  if (!row.payload.empty()) {
    std::memcpy(to + sizeof head, row.payload.data(), row.payload.size());
  }
  used_.back() += static_cast<std::uint32_t>(need);
  if (rows_++ == 0) first_ = stretch_ = row.sequence;
  last_ = row.sequence;
  payload_bytes_ += row.payload.size();
}

void OpenRows::DropFront(std::size_t bytes) {
  std::size_t drop = 0;
  std::size_t left = memory_bytes();
  while (drop < blocks_.size() && left > bytes) {
    left -= blocks_[drop]->capacity + kBlockOverhead;
    ++drop;
  }
  if (drop == 0) return;
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<long>(drop));
  used_.erase(used_.begin(), used_.begin() + static_cast<long>(drop));
  blocks_.shrink_to_fit();
  used_.shrink_to_fit();
  const std::vector<SealRow> rows = All();
  rows_ = rows.size();
  payload_bytes_ = 0;
  for (const SealRow& r : rows) payload_bytes_ += r.payload.size();
  if (rows_ > 0) first_ = rows.front().sequence;
}

std::size_t OpenRows::memory_bytes() const {
  std::size_t n = 0;
  for (const auto& b : blocks_) n += b->capacity + kBlockOverhead;
  return n + blocks_.capacity() * sizeof blocks_[0] +
         used_.capacity() * sizeof used_[0];
}

void OpenRows::ForEach(const std::function<bool(const SealRow&)>& visit) const {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const char* const bytes = blocks_[b]->bytes.get();
    for (std::size_t at = 0; at < used_[b];) {
      RowHead head;
      std::memcpy(&head, bytes + at, sizeof head);
      const SealRow row{.source = head.source,
                        .sequence = head.sequence,
                        .time = head.time,
                        .payload = {bytes + at + sizeof head, head.size}};
      if (!visit(row)) return;
      at += sizeof head + head.size;
    }
  }
}

std::vector<SealRow> OpenRows::All() const {
  std::vector<SealRow> all;
  all.reserve(rows_);
  ForEach([&](const SealRow& r) {
    all.push_back(r);
    return true;
  });
  return all;
}

}  // namespace fodc::recorder
