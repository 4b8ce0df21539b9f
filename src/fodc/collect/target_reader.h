// SPDX-License-Identifier: Apache-2.0
// For this room only: one target, its process and container, as readings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/collect/readings.h"
#include "fodc/collect/targets.h"
#include "fodc/target/readings.h"

namespace fodc::collect {

// Sources of targets begin with it; an endpoint's name is a URL.
inline constexpr std::string_view kTargetSource = "target ";

class Targets::Reader {
 public:
  Reader(recorder::Recording& recording, std::string name,
         std::string_view container_name, const target::ReaderOptions& options,
         const Clock& clock);
  ~Reader();

  void Read(const target::Row& row, recorder::FrameTime time);
  // Logs why the target is not found, once for each reason.
  void TellProblem(const std::string& problem);
  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }
  // Since the first frame.
  std::uint64_t group_oom_kills() const { return group_oom_kills_; }
  // At the last reading of a target.
  bool tells_oom_kills() const { return tells_oom_kills_; }

 private:
  struct Indexes;

  void ReadRow(const target::Row& row);
  void ReadPressure(const CgroupPressure& pressure);
  void CountOomKills(std::uint64_t now);

  const std::string name_;
  const std::string source_;
  const Clock& clock_;
  target::TargetReader reader_;
  target::MachineReader machine_;
  Readings readings_;
  std::unique_ptr<Indexes> at_;
  std::optional<std::uint64_t> group_oom_kills_before_;
  std::uint64_t group_oom_kills_ = 0;
  bool tells_oom_kills_ = false;
  std::string told_problem_;
  std::string told_unread_;
};

}  // namespace fodc::collect
