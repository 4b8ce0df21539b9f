// SPDX-License-Identifier: Apache-2.0
// For this room only: what one proxy is fetching from this agent. Of each fetch
// one piece is read ahead, whatever the proxy does; the rest waits on disk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fodc/link/evidence_source.h"

namespace fodc::link {

// The loop only.
class EvidenceSender {
 public:
  struct Limits {
    std::size_t fetches = 8;              // beyond, they are refused
    std::size_t piece_bytes = 96u << 10;  // at most
  };
  struct Piece {
    std::uint64_t fetch = 0;
    std::string data{};
    bool is_last = false;
    std::optional<EvidenceInfo> info{};  // with the first one
    Status error{};                      // not OK: it failed, and is over
  };

  // `source` may be null: then there is no evidence. `wake` is called when Take
  // may have something.
  EvidenceSender(EvidenceSource* source, const Limits& limits,
                 std::function<void()> wake);

  // The peer's messages bear no larger pieces. Before the first fetch.
  void set_max_piece(std::size_t bytes) {
    limits_.piece_bytes =
        std::max<std::size_t>(std::min(limits_.piece_bytes, bytes), 1);
  }

  // `length`: from the wish's offset on, nothing: to the end. `credit`: as
  // Grant. A fetch that is known is ignored.
  void Begin(std::uint64_t fetch, const EvidenceWish& wish,
             std::optional<std::uint64_t> length, std::uint64_t credit);
  // So many bytes may be taken of it in all. Unknown ones are ignored.
  void Grant(std::uint64_t fetch, std::uint64_t credit);
  void Cancel(std::uint64_t fetch) { fetches_.erase(fetch); }

  // The next piece that is ready: of each fetch in turn.
  std::optional<Piece> Take();

  std::size_t fetches() const { return fetches_.size(); }

 private:
  struct Fetch {
    std::unique_ptr<EvidenceReader> reader;
    std::optional<EvidenceInfo> info;   // until it is told
    std::optional<std::uint64_t> left;  // to read; nothing: to the end
    std::uint64_t read = 0;             // bytes in all
    std::uint64_t credit = 0;
    std::string ready;
    bool is_reading = false;
    bool is_at_end = false;
    Status error;
  };

  void Opened(Fetch* fetch, std::uint64_t offset,
              Result<OpenedEvidence> opened);
  void ReadAhead(const std::shared_ptr<Fetch>& fetch);

  EvidenceSource* const source_;
  Limits limits_;
  const std::function<void()> wake_;
  std::map<std::uint64_t, std::shared_ptr<Fetch>> fetches_;
  std::uint64_t last_taken_ = 0;
};

}  // namespace fodc::link
