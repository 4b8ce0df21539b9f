// SPDX-License-Identifier: Apache-2.0
// The labels that say whose series it is (pod_name, node_role, container_name,
// node_<label>) and their merging with a series' own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/exposition/metric.h"

namespace fodc::exposition {

// Bytes that may be read beyond the end of an Identity's text and of a line's
// pieces, so that short texts are copied with wide moves.
inline constexpr std::size_t kCopySlack = 32;

// A node with more labels shows the first ones only. (No registration has so
// many: fleet::kMaxIdentityLabels.)
inline constexpr std::size_t kMaxShownNodeLabels = 1024;

// The identity labels of one source of one node. Immutable.
class Identity {
 public:
  // None at all: for series that carry their labels already.
  Identity();
  // The labels are those of IdentityLabels.
  Identity(std::string_view role, std::string_view pod_name,
           std::string_view container_name,
           const std::map<std::string, std::string>& node_labels);
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // Sorted by name, unescaped. The views live as long as the identity.
  const std::vector<Label>& labels() const { return labels_; }
  bool Has(std::string_view name) const;
  // The names, joined: equal for identities that fit the same gaps.
  const std::string& shape() const { return shape_; }

  // `,a="x",b="y"`: label i is at offset(i) up to offset(i + 1). kCopySlack
  // readable bytes follow.
  const char* text() const {
    return reinterpret_cast<const char*>(block_.get() + labels_.size() + 1);
  }
  std::uint32_t offset(std::size_t i) const { return block_[i]; }
  std::size_t text_bytes() const { return block_[labels_.size()]; }
  // The offsets, and the text behind them.
  const std::uint32_t* block() const { return block_.get(); }

 private:
  void Finish();

  std::map<std::string, std::string> values_;
  std::vector<Label> labels_;
  std::string shape_;
  // In one place, because a page touches it once for each family.
  std::unique_ptr<std::uint32_t[]> block_;
};

// Takes canonical label text (AppendCanonicalLabels) apart, adds
// the identity labels, and renames a label of the series that has the name of
// an identity label to exported_<name>, and one that has no legal name to a
// legal one. Reusable; not thread-safe.
class LabelMerger {
 public:
  // The merged labels, sorted by name; valid until the next call, and while
  // both arguments live.
  const std::vector<Label>& Merge(std::string_view canonical_labels,
                                  const Identity& identity);

 private:
  std::vector<Label> own_;
  std::vector<Label> merged_;
  std::vector<std::string> unescaped_;
  std::vector<std::string> renamed_;
};

// Takes `a="x",b="y"` apart. Escaped values are kept in *unescaped, which must
// outlive the labels. Text that is not canonical ends the list early.
void ParseCanonicalLabels(std::string_view text, std::vector<Label>* labels,
                          std::vector<std::string>* unescaped);

// As in text formats: \ and " and line feeds escaped.
void AppendEscapedLabelValue(std::string* out, std::string_view value);

}  // namespace fodc::exposition
