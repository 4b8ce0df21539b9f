// SPDX-License-Identifier: Apache-2.0
// What of a capsule is needed to tell its story, kept in memory while the
// capsule is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/capsule_reader.h"

namespace fodc::ctl {

struct CapsulePart {
  enum class Kind : std::uint8_t { kProfile, kRecording, kLog };

  Kind kind = Kind::kLog;
  std::string name;
  std::string bytes;    // of a log its end
  bool is_cut = false;  // there was more before that
  // It was too large to be kept: `bytes` are none.
  bool is_too_large = false;
};

struct PartLimits {
  std::size_t part_bytes = 256u << 20;
  std::size_t total_bytes = 512u << 20;
  std::size_t log_bytes = 64u << 10;  // of each log
};

// Keeps profiles (as meta.json lists them), recordings (`*.fdr`) and the ends
// of logs (`log.*`, `log-after.*`), in the capsule's order.
class PartKeeper final : public evidence::CapsuleVisitor {
 public:
  explicit PartKeeper(const PartLimits& limits = {}) : limits_(limits) {}

  Status OnFile(std::string_view id, std::string_view name,
                std::uint64_t bytes) override;
  Status OnBytes(std::string_view bytes) override;

  // After the reading has ended well. Once.
  std::vector<CapsulePart> TakeParts() { return std::move(parts_); }

 private:
  enum class Taking : std::uint8_t { kMeta, kWhole, kEnd, kNothing };

  bool IsProfile(std::string_view name) const;

  const PartLimits limits_;
  std::size_t total_bytes_ = 0;
  Taking taking_ = Taking::kNothing;
  std::string meta_text_;
  bool has_meta_ = false;
  evidence::EventMeta meta_;
  std::vector<CapsulePart> parts_;
};

}  // namespace fodc::ctl
