// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "fodc/base/strings.h"
#include "fodc/exposition/identity_labels.h"
#include "fodc/exposition/names.h"

namespace fodc::exposition {
void AppendEscapedLabelValue(std::string* out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else {
      out->push_back(c);
    }
  }
}

Identity::Identity() { Finish(); }

Identity::Identity(std::string_view role, std::string_view pod_name,
                   std::string_view container_name,
                   const std::map<std::string, std::string>& node_labels) {
  if (node_labels.size() <= kMaxShownNodeLabels) {
    values_ = IdentityLabels(role, pod_name, container_name, node_labels);
  } else {
    const auto end = std::next(node_labels.begin(), kMaxShownNodeLabels);
    values_ = IdentityLabels(role, pod_name, container_name,
                             {node_labels.begin(), end});
  }
  Finish();
}

void Identity::Finish() {
  std::string text;
  std::vector<std::uint32_t> offsets;
  for (const auto& [name, value] : values_) {
    labels_.push_back({name, value});
    shape_.append(name).push_back(',');
    offsets.push_back(static_cast<std::uint32_t>(text.size()));
    text.append(",").append(name).append("=\"");
    AppendEscapedLabelValue(&text, value);
    text.push_back('"');
  }
  offsets.push_back(static_cast<std::uint32_t>(text.size()));
  text.append(kCopySlack, '\0');
  const std::size_t text_words = (text.size() + 3) / 4;
  block_ = std::make_unique<std::uint32_t[]>(offsets.size() + text_words);
  std::copy(offsets.begin(), offsets.end(), block_.get());
  std::memcpy(block_.get() + offsets.size(), text.data(), text.size());
}

bool Identity::Has(std::string_view name) const {
  return std::any_of(labels_.begin(), labels_.end(),
                     [&](const auto& label) { return label.name == name; });
}

void ParseCanonicalLabels(std::string_view text, std::vector<Label>* labels,
                          std::vector<std::string>* unescaped) {
  labels->clear();
  unescaped->clear();
  // Views into `unescaped` must stay: its strings never move.
  unescaped->reserve(
      static_cast<std::size_t>(std::count(text.begin(), text.end(), '\\')));
  while (!text.empty()) {
    const std::size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return;
    const std::string_view name = text.substr(0, equals);
    text.remove_prefix(equals + 2);
    std::size_t end = 0;
    bool escaped = false;
    while (end < text.size() && text[end] != '"') {
      if (text[end] == '\\') {
        escaped = true;
        ++end;
      }
      ++end;
    }
    if (end >= text.size()) return;
    std::string_view value = text.substr(0, end);
    if (escaped) {
      std::string& plain = unescaped->emplace_back();
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) {
          ++i;
          plain.push_back(value[i] == 'n' ? '\n' : value[i]);
        } else {
          plain.push_back(value[i]);
        }
      }
      value = plain;
    }
    labels->push_back({name, value});
    text.remove_prefix(end + 1);
    if (!ConsumePrefix(&text, ",")) return;
  }
}

const std::vector<Label>& LabelMerger::Merge(std::string_view canonical_labels,
                                             const Identity& identity) {
  ParseCanonicalLabels(canonical_labels, &own_, &unescaped_);
  renamed_.clear();
  renamed_.reserve(own_.size());
  bool sorted = true;
  for (Label& label : own_) {
    const bool is_legal = IsLabelName(label.name);
    if (is_legal && !identity.Has(label.name)) continue;
    const auto is_taken = [&](std::string_view name) {
      return identity.Has(name) ||
             std::any_of(own_.begin(), own_.end(),
                         [&](const auto& l) { return l.name == name; });
    };
    std::string name =
        is_legal ? std::string(label.name) : ToLabelName(label.name);
    if (is_legal || is_taken(name)) name = ExportedName(name, is_taken);
    label.name = renamed_.emplace_back(std::move(name));
    sorted = false;
  }
  if (!sorted) std::sort(own_.begin(), own_.end());
  merged_.clear();
  std::merge(own_.begin(), own_.end(), identity.labels().begin(),
             identity.labels().end(), std::back_inserter(merged_));
  return merged_;
}

}  // namespace fodc::exposition
