// SPDX-License-Identifier: Apache-2.0
// What the agent's end of the link asks for evidence: declared here,
// implemented by room agent over its event store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/fleet/event_book.h"
#include "fodc/net/unique_function.h"

namespace fodc::link {

struct EvidenceWish {
  std::string event_id{};
  // A file of the event; or, of v1, the type of a profile. Neither: its
  // capsule, whole.
  std::string artifact{};
  std::string profile_type{};
  std::uint64_t offset = 0;
};

// Of the whole artifact, wherever reading begins.
struct EvidenceInfo {
  std::optional<std::uint64_t> size_bytes;  // nothing for a capsule
  std::string sha256;                       // empty: not known
  std::uint32_t revision = 0;
};

// The loop only. What was opened stays readable when the event is deleted.
class EvidenceReader {
 public:
  using ReadCallback = net::UniqueFunction<void(Result<std::string>)>;
  // What is under way is forgotten.
  virtual ~EvidenceReader() = default;
  // The next bytes, `max_bytes` (above 0) at most; none is the end. One at a
  // time. `done` is called once, on the loop, never inside the call.
  virtual void Read(std::size_t max_bytes, ReadCallback done) = 0;
};

struct OpenedEvidence {
  EvidenceInfo info;
  std::unique_ptr<EvidenceReader> reader;
};

// The loop only. Every callback is called once, on the loop, never inside the
// call, and not at all once the source is gone.
class EvidenceSource {
 public:
  using ListCallback =
      net::UniqueFunction<void(Result<std::vector<fleet::ListedEvent>>)>;
  using OpenCallback = net::UniqueFunction<void(Result<OpenedEvidence>)>;
  using DoneCallback = net::UniqueFunction<void(Status)>;
  virtual ~EvidenceSource() = default;

  // The events that there are, the newest first, within a bound.
  virtual void List(ListCallback done) = 0;
  // Errors: kInvalidArgument for names that are none, kNotFound, kOutOfRange
  // for an offset beyond the end, as of the disk; kUnavailable when too many
  // wait.
  virtual void Open(const EvidenceWish& wish, OpenCallback done) = 0;
  // Errors: as Open; kResourceExhausted when too much is pinned.
  virtual void Pin(const std::string& event_id, bool pinned,
                   DoneCallback done) = 0;
  // The directory of the events, absolute: v1 peers get paths.
  virtual const std::string& root() const = 0;
};

}  // namespace fodc::link
