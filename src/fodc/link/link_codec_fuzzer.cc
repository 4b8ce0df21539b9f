// SPDX-License-Identifier: Apache-2.0
// Messages from anybody who speaks a protocol of the link. The first byte says
// which message the rest is.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "fodc/evidence/incident_list.h"
#include "fodc/exposition/names.h"
#include "fodc/link/evidence_codec.h"
#include "fodc/link/flight_codec.h"
#include "fodc/link/v1_codec.h"
#include "fodc/recorder/recording.h"

namespace fodc::link {
namespace {

template <typename Message>
bool Read(const std::uint8_t* data, std::size_t size, Message* out) {
  return out->ParseFromArray(data, static_cast<int>(size));
}

void FlightEntries(const std::uint8_t* data, std::size_t size) {
  flight::v1::Entries message;
  if (!Read(data, size, &message)) return;
  const auto entries = TakeEntries(&message);
  if (!entries.ok()) return;

  constexpr std::size_t kBudget = 4u << 20;
  recorder::Recording recording(1, {.budget_bytes = kBudget});
  flight::v1::Entries again;
  for (const recorder::LogEntry& entry : *entries) {
    recording.ApplyOverGap(entry).IgnoreError();
    if (recording.memory_bytes() > kBudget) std::abort();
    again.set_incarnation(IncarnationOf(entry));
    const std::size_t before = again.ByteSizeLong();
    AppendEntry(entry, &again);
    if (again.ByteSizeLong() - before > EntryBytes(entry)) std::abort();
  }
  if (entries->empty()) return;
  const auto back = TakeEntries(&again);
  if (!back.ok() || back->size() != entries->size()) std::abort();
}

void FlightIdentity(const std::uint8_t* data, std::size_t size) {
  flight::v1::Identity message;
  if (!Read(data, size, &message)) return;
  const auto identity = TakeIdentity(message);
  if (!identity.ok()) return;
  flight::v1::Identity again;
  PutIdentity(*identity, &again);
  if (!TakeIdentity(again).ok()) std::abort();
}

void FlightIncidents(const std::uint8_t* data, std::size_t size) {
  flight::v1::Incidents message;
  if (!Read(data, size, &message)) return;
  const int count = message.incidents_size();
  const auto incidents = TakeIncidents(&message);
  if (incidents.ok() != (count <= kMaxIncidents)) std::abort();
  if (!incidents.ok()) return;

  const evidence::IncidentList::Limits limits{.incidents = 8,
                                              .bytes = 64u << 10};
  evidence::IncidentList list(limits);
  for (const evidence::Incident& incident : *incidents) {
    const bool may_be_kept = evidence::CheckIncident(incident).ok();
    if (list.Put(incident).ok() != may_be_kept) std::abort();
    if (list.all().size() > limits.incidents || list.bytes() > limits.bytes) {
      std::abort();
    }
  }
  flight::v1::Incidents again;
  for (const evidence::IncidentRef& i : list.all()) AppendIncident(*i, &again);
  flight::v1::Incidents sent;
  // What may be kept is valid on the wire.
  if (!sent.ParseFromString(again.SerializeAsString())) std::abort();
  const auto back = TakeIncidents(&sent);
  if (!back.ok() || back->size() != list.all().size()) std::abort();
  for (std::size_t i = 0; i < back->size(); ++i) {
    if (!evidence::CheckIncident((*back)[i]).ok()) std::abort();
    if ((*back)[i].id != list.all()[i]->id) std::abort();
  }
}

// A book keeps to its bounds, and what it keeps is told again as it is.
void KeepEvents(std::vector<fleet::ListedEvent> events) {
  const fleet::EventBook::Limits limits{
      .max_nodes = 2, .max_events_per_node = 8, .max_bytes = 64u << 10};
  fleet::EventBook book(limits);
  EventStage stage;
  for (fleet::ListedEvent& e : events) stage.Add(std::move(e));
  std::size_t left_out = 0;
  events = stage.TakeAll(&left_out);
  fleet::Agent agent;
  agent.id = agent.identity.pod_name = "a";
  book.Replace(agent, events).IgnoreError();
  const fleet::EventBook::Stats s = book.stats();
  if (s.events > limits.max_events_per_node || s.bytes > limits.max_bytes) {
    std::abort();
  }
  if (s.events == 0) return;
  flight::v1::EventList again;
  for (const auto& e : book.Of("a")->events) PutEvent(*e, again.add_events());
  const auto back = TakeEvents(again.mutable_events());
  if (!back.ok() || back->size() != s.events) std::abort();
  for (const fleet::ListedEvent& e : *back) {
    if (e.id.empty()) std::abort();
  }
}

void FlightEvents(const std::uint8_t* data, std::size_t size) {
  flight::v1::EventList message;
  if (!Read(data, size, &message)) return;
  auto events = TakeEvents(message.mutable_events());
  if (events.ok()) KeepEvents(*std::move(events));
}

void V1Record(const std::uint8_t* data, std::size_t size) {
  banyandb::fodc::v1::PressureProfileRecord message;
  if (!Read(data, size, &message)) return;
  const std::string path =
      message.profiles_size() > 0 ? message.profiles(0).filepath() : "";
  if (CheckPathBelow("/a/b", path).ok() && !path.starts_with("/")) std::abort();
  fleet::ListedEvent event = TakeRecord(&message);
  banyandb::fodc::v1::PressureProfileRecord again;
  PutRecord(event, "/a", &again);
  std::vector<fleet::ListedEvent> events;
  events.push_back(std::move(event));
  KeepEvents(std::move(events));
}

void V1AnswerOfAnAgent(const std::uint8_t* data, std::size_t size) {
  V1Answer message;
  if (!Read(data, size, &message)) return;
  const auto metrics = static_cast<std::size_t>(message.metrics_size());
  const auto answer =
      TakeV1Answer(&message, {{"type", "hot"}, {"1", "bad name"}}, UnixTime());
  if (answer->samples.size() + answer->refused_samples != metrics) std::abort();
  for (const fleet::MetricSample& s : answer->samples) {
    if (!exposition::IsMetricName(s.name) ||
        !std::is_sorted(s.labels.begin(), s.labels.end())) {
      std::abort();
    }
    for (const auto& [name, value] : s.labels) {
      if (!exposition::IsLabelName(name)) std::abort();
    }
  }
}

void V1QuestionOfAProxy(const std::uint8_t* data, std::size_t size) {
  banyandb::fodc::v1::StreamMetricsResponse message;
  if (!Read(data, size, &message)) return;
  const fleet::MetricsQuestion question = TakeQuestion(message);
  banyandb::fodc::v1::StreamMetricsResponse again;
  PutQuestion(question, &again);
  const recorder::Recording recording(1, {.budget_bytes = 4u << 20});
  V1AnswerStats stats;
  const std::string answer =
      EncodeV1Answer(recording.Take(), {}, question, UnixTime(), {}, &stats);
  V1Answer read;
  if (!read.ParseFromString(answer)) std::abort();
}

}  // namespace
}  // namespace fodc::link

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  google::protobuf::SetLogHandler(nullptr);  // a line for each bad byte
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::link;
  if (size == 0) return 0;
  switch (data[0] & 7) {
    case 0:
      FlightEntries(data + 1, size - 1);
      break;
    case 1:
      FlightIdentity(data + 1, size - 1);
      break;
    case 2:
      V1AnswerOfAnAgent(data + 1, size - 1);
      break;
    case 4:
      FlightIncidents(data + 1, size - 1);
      break;
    case 5:
      FlightEvents(data + 1, size - 1);
      break;
    case 6:
      V1Record(data + 1, size - 1);
      break;
    default:
      V1QuestionOfAProxy(data + 1, size - 1);
  }
  return 0;
}
