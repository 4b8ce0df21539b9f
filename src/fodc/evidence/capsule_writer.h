// SPDX-License-Identifier: Apache-2.0
// An event as a capsule, piece by piece as it is asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/evidence/event_store.h"

namespace fodc::evidence {

// Holds about 1 MiB, whatever the event has: the compressor and two buffers. A
// descriptor for each artifact is open from the start, so that the capsule
// stays whole when the event is deleted. Not thread-safe. Blocks.
class CapsuleWriter {
 public:
  // The same bytes each time for one revision of an event (and one version of
  // zstd). Artifacts that are gone from the disk are left out; the reader sees
  // that, for meta.json lists them.
  // Errors: as EventStore::Read and OpenArtifact.
  static Result<std::unique_ptr<CapsuleWriter>> Make(const EventStore& store,
                                                     std::string_view id);
  ~CapsuleWriter();
  CapsuleWriter(const CapsuleWriter&) = delete;
  CapsuleWriter& operator=(const CapsuleWriter&) = delete;

  // "<id>.tar.zst"
  std::string filename() const;

  // Puts at least a byte into `buffer`, which is not empty; 0 is the end.
  // Errors: kDataLoss if an artifact became shorter; as pread(2). The capsule
  // is then not whole and cannot become so.
  Result<std::size_t> Read(std::span<char> buffer);

 private:
  struct Impl;
  explicit CapsuleWriter(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::evidence
