// SPDX-License-Identifier: Apache-2.0
// What was asked of the node and what it acknowledged, line by line in a file,
// so that after any number of kills it can be said whether something was lost.
//
// A line is an intent, written before the request, or an acknowledgement,
// written behind the answer:
//   put KEY VERSION      put-ok KEY VERSION
//   del KEY              del-ok KEY
//   add STREAM VERSION   add-ok STREAM VERSION SEQUENCE
// A request without an acknowledgement may have been done or not; the next one
// that is acknowledged settles it. Each key has one writer at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace kvload {

// What stands under a key at a version: recognisable to the last byte.
std::string MakeValue(std::string_view key, std::uint64_t version,
                      std::size_t bytes);
// The version, if `value` is one that MakeValue made for the key.
std::optional<std::uint64_t> VersionOf(std::string_view key,
                                       std::string_view value);

// Thread-safe.
class Ledger {
 public:
  // Goes on behind what the file holds. An empty path: nothing is written.
  static fodc::Result<std::unique_ptr<Ledger>> Open(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Written when it returns: the tool itself may be killed. A line that cannot
  // be written ends the tool's claim, so it is an error of Close.
  void Write(std::string_view line);
  fodc::Status Close();

 private:
  Ledger() = default;
  fodc::Mutex mutex_;
  int fd_ = -1;
  fodc::Status failure_ FODC_GUARDED_BY(mutex_);
};

// What a node may hold, according to a ledger.
struct Expectation {
  // Versions that the key may have; nothing: no value.
  using Versions = std::vector<std::optional<std::uint64_t>>;
  struct Stream {
    std::map<std::uint64_t, std::uint64_t> acknowledged;  // sequence, version
    std::vector<std::uint64_t> unsettled;                 // versions
  };
  std::map<std::string, Versions> keys;
  std::map<std::string, Stream> streams;
  // The highest version of each, for who goes on.
  std::map<std::string, std::uint64_t> newest;
  std::uint64_t acknowledged = 0;
};
// A last line that is cut is an intent without a request: left out.
// Errors: kDataLoss naming the line; those of the file.
fodc::Result<Expectation> ReadLedger(const std::string& path);
fodc::Result<Expectation> ParseLedger(std::string_view text);

}  // namespace kvload
