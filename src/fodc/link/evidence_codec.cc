// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/evidence_codec.h"

#include <chrono>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

// As Go's filepath.Clean leaves an absolute path; a relative one stays one.
std::string CleanPath(std::string_view path) {
  const bool is_absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  for (const std::string_view part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!is_absolute) {
      parts.push_back(part);
    }
  }
  std::string out;
  for (const std::string_view part : parts) {
    if (is_absolute || !out.empty()) out += '/';
    out += part;
  }
  if (out.empty()) out = is_absolute ? "/" : ".";
  return out;
}

}  // namespace

void PutEvent(const fleet::ListedEvent& event, flight::v1::StoredEvent* out) {
  out->set_id(event.id);
  out->set_meta(evidence::EncodeEventMetaForOthers(event.meta));
  out->set_bytes(event.bytes);
  out->set_is_pinned(event.is_pinned);
}

Result<std::vector<fleet::ListedEvent>> TakeEvents(
    google::protobuf::RepeatedPtrField<flight::v1::StoredEvent>* from) {
  if (from->size() > kMaxEvents) {
    return InvalidArgument(StrCat(
        from->size(), " events in a message; the limit is ", kMaxEvents));
  }
  std::vector<fleet::ListedEvent> out;
  out.reserve(static_cast<std::size_t>(from->size()));
  for (flight::v1::StoredEvent& e : *from) {
    fleet::ListedEvent& event = out.emplace_back();
    auto meta = evidence::DecodeEventMeta(e.meta());
    if (!meta.ok()) continue;
    event.id = std::move(*e.mutable_id());
    event.meta = *std::move(meta);
    event.bytes = e.bytes();
    event.is_pinned = e.is_pinned();
  }
  return out;
}

void PutRecord(const fleet::ListedEvent& event, std::string_view root,
               banyandb::fodc::v1::PressureProfileRecord* out) {
  const evidence::EventMeta& m = event.meta;
  out->set_profile_id(event.id);
  const std::int64_t ns = m.captured_at.time_since_epoch().count();
  const std::int64_t seconds =
      ns >= 0 ? ns / 1'000'000'000 : -((999'999'999 - ns) / 1'000'000'000);
  out->mutable_captured_at()->set_seconds(seconds);
  out->mutable_captured_at()->set_nanos(
      static_cast<std::int32_t>(ns - seconds * 1'000'000'000));
  out->set_source_endpoint(m.source_endpoint);
  out->set_rss_bytes(m.rss_bytes);
  out->set_cgroup_limit_bytes(m.cgroup_limit_bytes);
  out->set_trigger_percent(m.trigger_percent);
  out->set_threshold_bytes(m.threshold_bytes);
  for (const evidence::EventProfile& p : m.profiles) {
    auto* info = out->add_profiles();
    info->set_type(p.type);
    info->set_filename(p.filename);
    info->set_filepath(StrCat(root, "/", event.id, "/", p.filename));
    info->set_format(p.format);
    info->set_size_bytes(static_cast<std::int64_t>(p.size_bytes));
  }
}

fleet::ListedEvent TakeRecord(banyandb::fodc::v1::PressureProfileRecord* from) {
  fleet::ListedEvent event;
  evidence::EventMeta& m = event.meta;
  event.id = std::move(*from->mutable_profile_id());
  // Beyond what a time can be: none.
  constexpr std::int64_t kMaxSeconds = 9'000'000'000;
  const std::int64_t seconds = from->captured_at().seconds();
  if (seconds > -kMaxSeconds && seconds < kMaxSeconds) {
    m.captured_at = UnixTime(std::chrono::nanoseconds(
        seconds * 1'000'000'000 + from->captured_at().nanos()));
  }
  m.source_endpoint = std::move(*from->mutable_source_endpoint());
  m.rss_bytes = from->rss_bytes();
  m.cgroup_limit_bytes = from->cgroup_limit_bytes();
  m.trigger_percent = from->trigger_percent();
  m.threshold_bytes = from->threshold_bytes();
  // One more than may be is as bad as all of them.
  constexpr int kMost = static_cast<int>(evidence::kMaxEventProfiles) + 1;
  for (auto& info : *from->mutable_profiles()) {
    if (m.profiles.size() == static_cast<std::size_t>(kMost)) break;
    evidence::EventProfile& p = m.profiles.emplace_back();
    p.type = std::move(*info.mutable_type());
    p.filename = std::move(*info.mutable_filename());
    p.filepath = std::move(*info.mutable_filepath());
    p.format = std::move(*info.mutable_format());
    // A negative size is above what CheckEventMeta takes.
    p.size_bytes = static_cast<std::uint64_t>(info.size_bytes());
    event.bytes += p.size_bytes;
  }
  return event;
}

Status CheckPathBelow(std::string_view root, std::string_view path) {
  const std::string base = CleanPath(root);
  const std::string clean = CleanPath(path);
  if (clean == base ||
      clean.starts_with(base == "/" ? base : StrCat(base, "/"))) {
    return OkStatus();
  }
  return InvalidArgument(
      StrCat("path ", Quoted(path), " escapes pressure-profiler dir"));
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(&out, ToValidUtf8(text.substr(0, 4096)));
  return out;
}

void EventStage::Add(fleet::ListedEvent event) {
  const std::size_t bytes = fleet::EventBytes(event);
  if (events_.size() == kEvents || bytes_ + bytes > kBytes) {
    ++left_out_;
    return;
  }
  bytes_ += bytes;
  events_.push_back(std::move(event));
}

void EventStage::Clear() {
  events_.clear();
  bytes_ = 0;
  left_out_ = 0;
}

std::vector<fleet::ListedEvent> EventStage::TakeAll(std::size_t* left_out) {
  *left_out = std::exchange(left_out_, 0);
  bytes_ = 0;
  return std::exchange(events_, {});
}

}  // namespace fodc::link
