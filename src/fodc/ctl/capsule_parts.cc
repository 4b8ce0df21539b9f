// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/capsule_parts.h"

#include <algorithm>
#include <utility>

namespace fodc::ctl {
namespace {

constexpr std::string_view kMetaFile = "meta.json";

}  // namespace

bool PartKeeper::IsProfile(std::string_view name) const {
  return std::any_of(meta_.profiles.begin(), meta_.profiles.end(),
                     [name](const evidence::EventProfile& p) {
                       return p.filename == name && p.format == "pprof";
                     });
}

Status PartKeeper::OnFile(std::string_view, std::string_view name,
                          std::uint64_t bytes) {
  taking_ = Taking::kNothing;
  if (name == kMetaFile) {
    taking_ = Taking::kMeta;
    return OkStatus();
  }
  if (!has_meta_) {
    FODC_ASSIGN_OR_RETURN(meta_, evidence::DecodeEventMeta(meta_text_));
    has_meta_ = true;
  }
  CapsulePart part;
  part.name = name;
  if (name.starts_with("log.") || name.starts_with("log-after.")) {
    taking_ = Taking::kEnd;
  } else if (IsProfile(name)) {
    part.kind = CapsulePart::Kind::kProfile;
    taking_ = Taking::kWhole;
  } else if (name.ends_with(".fdr")) {
    part.kind = CapsulePart::Kind::kRecording;
    taking_ = Taking::kWhole;
  } else {
    return OkStatus();
  }
  if (taking_ == Taking::kWhole) {
    part.is_too_large = bytes > limits_.part_bytes ||
                        bytes > limits_.total_bytes - total_bytes_;
    if (part.is_too_large) {
      taking_ = Taking::kNothing;
    } else {
      total_bytes_ += bytes;
    }
  }
  parts_.push_back(std::move(part));
  return OkStatus();
}

Status PartKeeper::OnBytes(std::string_view bytes) {
  if (taking_ == Taking::kMeta) {
    meta_text_ += bytes;
  } else if (taking_ == Taking::kWhole) {
    parts_.back().bytes += bytes;
  } else if (taking_ == Taking::kEnd) {
    CapsulePart& part = parts_.back();
    part.bytes += bytes;
    if (part.bytes.size() > limits_.log_bytes) {
      part.bytes.erase(0, part.bytes.size() - limits_.log_bytes);
      part.is_cut = true;
    }
  }
  return OkStatus();
}

}  // namespace fodc::ctl
