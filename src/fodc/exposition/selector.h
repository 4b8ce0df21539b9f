// SPDX-License-Identifier: Apache-2.0
// Series selectors, as in the `match[]` parameter of Prometheus:
// `up`, `{le=~"0\\..*"}`, `http_requests_total{code!="200",pod_name="a"}`.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/exposition/metric.h"

namespace fodc::exposition {

// One selector: all its matchers must hold. An absent label equals "".
// Regular expressions are RE2's, anchored at both ends; time is linear in the
// text. Immutable; thread-safe.
class Selector {
 public:
  static constexpr std::size_t kMaxTextBytes = 4096;
  static constexpr std::size_t kMaxMatchers = 32;
  // In one selector, or in one set: each may take a quarter of a MiB, and
  // milliseconds to compile.
  static constexpr std::size_t kMaxExpressions = 32;

  // Strings are quoted by ", ' (with escapes as in Go) or ` (without).
  // Errors: kInvalidArgument naming the selector and what is wrong with it: a
  // syntax error, a bad expression, a limit, or (as Prometheus has it) no
  // matcher that refuses the empty string.
  // `expressions`, if given: how many there are already; counted on.
  static Result<Selector> Parse(std::string_view text,
                                std::size_t* expressions = nullptr);

  Selector(Selector&&) noexcept;
  Selector& operator=(Selector&&) noexcept;
  ~Selector();

  // `labels`: as shown, identity labels included, without the name.
  bool Matches(std::string_view name, std::span<const Label> labels) const;
  // Whether some series of this name may match: what can be told without
  // its labels.
  bool MayMatchName(std::string_view name) const;

 private:
  struct Matcher;
  Selector();
  std::vector<Matcher> matchers_;
};

// Any of several; none at all takes everything.
class SelectorSet {
 public:
  static constexpr std::size_t kMaxSelectors = 64;

  // Errors: those of Selector::Parse; kInvalidArgument beyond kMaxSelectors.
  static Result<SelectorSet> Parse(std::span<const std::string_view> texts);

  bool empty() const { return selectors_.empty(); }
  bool Matches(std::string_view name, std::span<const Label> labels) const;
  bool MayMatchName(std::string_view name) const;

 private:
  std::vector<Selector> selectors_;
};

}  // namespace fodc::exposition
