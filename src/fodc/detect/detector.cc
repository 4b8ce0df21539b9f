// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/detector.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::detect {
namespace {

// Of the agent itself, which is nobody's page.
constexpr std::string_view kAgentSource = "agent";

// Times beyond are of a damaged or made-up recording; within, no difference
// overflows.
constexpr std::int64_t kMostMs = std::int64_t{1} << 53;

bool IsTime(const recorder::FrameTime& time) {
  return time.monotonic_ms >= 0 && time.monotonic_ms <= kMostMs &&
         time.unix_ms >= -kMostMs && time.unix_ms <= kMostMs;
}

}  // namespace

std::string CleanTargetName(std::string_view name) {
  std::string out =
      ToValidUtf8(name.substr(0, evidence::kMaxIncidentNameBytes));
  // What stands for a bad byte is longer than that.
  out.resize(std::min(out.size(), evidence::kMaxIncidentNameBytes));
  while (!IsValidUtf8(out)) out.pop_back();
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
      '_');
  return out;
}

bool IsOwnSource(std::string_view source_name) {
  return source_name.starts_with(kKernelSourcePrefix) ||
         source_name.starts_with(kTargetSourcePrefix);
}

Detector::Detector(const Options& options, SignalMap signals)
    : options_(options), signals_(std::move(signals)) {}

TargetWatch* Detector::Watch(std::string_view name) {
  std::string clean = CleanTargetName(name);
  auto it = targets_.find(clean);
  if (it == targets_.end()) {
    if (targets_.size() == kMaxTargets) return nullptr;
    auto watch = std::make_unique<TargetWatch>(clean, options_, signals_);
    it = targets_.emplace(std::move(clean), std::move(watch)).first;
  }
  return it->second.get();
}

std::vector<evidence::Incident> Detector::OnFrame(
    const recorder::SourceFrame& frame) {
  if (!IsTime(frame.time)) return {};
  if (frame.name.incarnation != newest_.incarnation) {
    targets_.clear();
  } else if (frame.name.sequence <= newest_.sequence) {
    return {};
  }
  newest_ = frame.name;
  std::vector<evidence::Incident> out;
  for (const auto& [name, watch] : targets_) watch->OnTime(frame.time, &out);
  std::string_view source = frame.source_name;
  if (ConsumePrefix(&source, kKernelSourcePrefix)) {
    if (TargetWatch* watch = Watch(source))
      watch->OnOwnFrame(OwnSource::kKernel, frame, &out);
  } else if (ConsumePrefix(&source, kTargetSourcePrefix)) {
    if (TargetWatch* watch = Watch(source))
      watch->OnOwnFrame(OwnSource::kTarget, frame, &out);
  } else if (source != kAgentSource &&
             !source.starts_with(kDetectorSourcePrefix)) {
    for (const auto& [name, watch] : targets_) {
      if (watch->container_name() == frame.container_name)
        watch->OnPageFrame(frame);
    }
  }
  return out;
}

std::vector<evidence::Incident> Detector::OnFrames(
    std::span<const recorder::SourceFrame> frames) {
  std::vector<const recorder::SourceFrame*> ordered;
  for (const recorder::SourceFrame& f : frames) ordered.push_back(&f);
  std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
    return a->name.sequence < b->name.sequence;
  });
  std::vector<evidence::Incident> out;
  for (const recorder::SourceFrame* f : ordered) {
    for (evidence::Incident& i : OnFrame(*f)) out.push_back(std::move(i));
  }
  return out;
}

std::vector<TargetState> Detector::States() const {
  std::vector<TargetState> out;
  for (const auto& [name, watch] : targets_) out.push_back(watch->State());
  return out;
}

}  // namespace fodc::detect
