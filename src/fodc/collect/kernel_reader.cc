// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/kernel_reader.h"

#include <set>
#include <string>
#include <utility>

#include "fodc/base/log.h"

namespace fodc::collect {

KernelReader::KernelReader(std::unique_ptr<kernel::Telemetry> telemetry,
                           std::string_view off_reason, const Options& options,
                           const Targets& targets, net::EventLoop& loop,
                           recorder::Recording& recording)
    : telemetry_(std::move(telemetry)),
      off_reason_(off_reason),
      options_(options),
      targets_(targets),
      loop_(loop) {
  const std::vector<target::Row>& rows = targets.table().rows();
  std::multiset<std::string> containers;
  for (const target::Row& row : rows)
    containers.insert(row.spec.container_name);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& container = rows[i].spec.container_name;
    samples_.push_back(std::make_unique<KernelSamples>(
        recording, targets.name(i), container,
        KernelSamples::Options{
            .fine_buckets = options.fine_buckets,
            .label_target = containers.count(container) > 1}));
    filters_.push_back({.name = targets.name(i), .processes = {}});
  }
}

void KernelReader::Start() {
  if (samples_.empty()) return;
  timer_ = loop_.RunEvery(
      options_.interval, [this](const net::EventLoop::Tick&) { Read(); },
      loop_.clock().Monotonic());
}

void KernelReader::Follow() {
  if (!telemetry_) return;
  std::vector<std::vector<pid_t>> processes = targets_.table().Processes();
  for (std::size_t i = 0; i < filters_.size(); ++i)
    filters_[i].processes = std::move(processes[i]);
  telemetry_->SetTargets(filters_);
}

std::string KernelReader::ReadsProblem() const {
  if (!telemetry_) return std::string(off_reason_);
  const kernel::FamilyState& state =
      telemetry_->overview()
          .families[static_cast<std::size_t>(kernel::Family::kRead)];
  if (state.on || state.reason == "no_target") return {};
  return state.detail.empty() ? std::string(state.reason) : state.detail;
}

void KernelReader::Read() {
  Follow();
  events_.clear();
  std::vector<kernel::TargetReading> readings;
  if (telemetry_) readings = telemetry_->Collect(&events_);
  for (const kernel::KernelEvent& e : events_) Tell(e);
  const recorder::FrameTime time = {
      .monotonic_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                          loop_.clock().Monotonic().time_since_epoch())
                          .count(),
      .unix_ms = ToUnixMillis(loop_.clock().Unix())};
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (i < readings.size()) {
      samples_[i]->Record(readings[i], telemetry_->overview(), time);
      continue;
    }
    kernel::TargetReading off;
    off.reason = telemetry_ ? "too_many_targets" : off_reason_;
    samples_[i]->Record(off, telemetry_ ? telemetry_->overview() : nothing_,
                        time);
  }
  if (on_recorded_) on_recorded_();
}

void KernelReader::Tell(const kernel::KernelEvent& event) {
  if (event.target >= samples_.size()) return;
  samples_[event.target]->OnEvent(event);
  if (on_event_) on_event_(event);
  const std::string& name = filters_[event.target].name;
  if (event.kind == kernel::KernelEvent::Kind::kOomVictim) {
    LogWarn("the kernel chose a process of the target as OOM victim",
            {{"target", name},
             {"pid", event.pid},
             {"comm", event.comm},
             {"anon_bytes", event.anon_bytes.value_or(0)},
             {"file_bytes", event.file_bytes.value_or(0)},
             {"shmem_bytes", event.shmem_bytes.value_or(0)}});
    return;
  }
  LogWarn("a signal ended a process of the target",
          {{"target", name},
           {"pid", event.pid},
           {"comm", event.comm},
           {"signal", event.signal},
           {"core_dumped", event.core_dumped},
           {"age_seconds", std::chrono::duration<double>(event.age).count()}});
}

}  // namespace fodc::collect
