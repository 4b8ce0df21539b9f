// SPDX-License-Identifier: Apache-2.0
// Signals: what the target's own pages say of things that the kernel cannot
// know.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/detect/facts.h"
#include "fodc/exposition/selector.h"

namespace fodc::detect {

// By the name that --signal has. All but compaction_threads, which is a gauge,
// are counters, whatever a TYPE line says.
struct SignalDesc {
  std::string_view name;
  Fact fact;
  Reading reading;
};
inline constexpr std::size_t kSignals = 5;
std::span<const SignalDesc, kSignals> AllSignals();

// Which series of a page make a signal: the sum of all that match.
struct SignalSource {
  std::size_t signal = 0;  // index into AllSignals()
  Reading reading = Reading::kRate;
  double scale = 1;  // of what is read
  exposition::Selector selector;
  std::string product;  // whose built-in map it is of; empty: given
};

class SignalMap {
 public:
  static constexpr std::size_t kMaxGivenSelectors = 64;

  // With the built-in maps of BanyanDB, RocksDB and etcd.
  SignalMap() { AddBuiltIn(); }

  // Reads "NAME=SELECTOR[,SELECTOR...]". Several of them may stand in one text,
  // joined by commas, or be cut at any comma into several texts, as a flag that
  // is a list does it. Signals that are named have these selectors alone, no
  // built-in ones.
  // Errors: kInvalidArgument naming the text and what is wrong with it.
  static Result<SignalMap> Parse(std::span<const std::string> texts);

  const std::vector<SignalSource>& sources() const { return sources_; }
  // Whether --signal named it.
  bool is_given(std::size_t signal) const { return given_[signal]; }

 private:
  struct Empty {};
  explicit SignalMap(Empty) {}
  void AddBuiltIn();  // of the names that were not given

  std::vector<SignalSource> sources_;
  bool given_[kSignals] = {};
};

}  // namespace fodc::detect
