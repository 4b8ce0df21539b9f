// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/flight_codec.h"

#include <limits>
#include <string_view>
#include <utility>
#include <variant>

#include "fodc/base/strings.h"

namespace fodc::link {

using recorder::ChunkEntry;
using recorder::LogEntry;
using recorder::RowEntry;
using recorder::SeriesEntry;
using recorder::SourceEntry;

recorder::Incarnation IncarnationOf(const LogEntry& entry) {
  if (const auto* row = std::get_if<RowEntry>(&entry)) {
    return row->name.incarnation;
  }
  if (const auto* series = std::get_if<SeriesEntry>(&entry)) {
    return series->incarnation;
  }
  if (const auto* source = std::get_if<SourceEntry>(&entry)) {
    return source->incarnation;
  }
  return std::get<ChunkEntry>(entry).incarnation;
}

void AppendEntry(LogEntry entry, flight::v1::Entries* out) {
  flight::v1::Entry* e = out->add_entries();
  if (auto* row = std::get_if<RowEntry>(&entry)) {
    flight::v1::Row* r = e->mutable_row();
    r->set_sequence(row->name.sequence);
    r->set_source(row->source);
    r->set_stretch_age(row->name.sequence - row->stretch);
    r->set_monotonic_ms(row->time.monotonic_ms);
    r->set_unix_ms(row->time.unix_ms);
    r->set_payload(std::move(row->payload));
  } else if (auto* series = std::get_if<SeriesEntry>(&entry)) {
    flight::v1::Series* s = e->mutable_series();
    s->set_id(series->id);
    s->set_name(std::move(series->name));
    s->set_labels(std::move(series->labels));
    // Empty says: the same as the name.
    if (series->family != s->name()) s->set_family(std::move(series->family));
    s->set_type(static_cast<std::uint32_t>(series->type));
    s->set_help(std::move(series->help));
    s->set_unit(std::move(series->unit));
  } else if (auto* source = std::get_if<SourceEntry>(&entry)) {
    flight::v1::Source* s = e->mutable_source();
    s->set_id(source->source);
    s->set_name(ToValidUtf8(source->name));
    s->set_container_name(ToValidUtf8(source->container_name));
  } else {
    auto& chunk = std::get<ChunkEntry>(entry);
    flight::v1::Chunk* c = e->mutable_chunk();
    c->set_first(chunk.first);
    c->set_last(chunk.last);
    c->set_data(std::move(chunk.bytes));
  }
}

std::size_t EntryBytes(const LogEntry& entry) {
  if (const auto* row = std::get_if<RowEntry>(&entry)) {
    return row->payload.size() + 80;
  }
  if (const auto* series = std::get_if<SeriesEntry>(&entry)) {
    return series->name.size() + series->labels.size() + series->help.size() +
           series->family.size() + series->unit.size() + 48;
  }
  if (const auto* source = std::get_if<SourceEntry>(&entry)) {
    // Bytes that are no UTF-8 become three.
    return 3 * (source->name.size() + source->container_name.size()) + 32;
  }
  return std::get<ChunkEntry>(entry).bytes.size() + 48;
}

Result<std::vector<LogEntry>> TakeEntries(flight::v1::Entries* from) {
  const recorder::Incarnation incarnation = from->incarnation();
  if (incarnation == 0) {
    return InvalidArgument("entries without an incarnation");
  }
  constexpr std::uint32_t kMaxSource =
      std::numeric_limits<recorder::SourceId>::max();
  std::vector<LogEntry> out;
  out.reserve(static_cast<std::size_t>(from->entries_size()));
  for (flight::v1::Entry& e : *from->mutable_entries()) {
    switch (e.kind_case()) {
      case flight::v1::Entry::kRow: {
        flight::v1::Row& r = *e.mutable_row();
        if (r.source() > kMaxSource) {
          return InvalidArgument(StrCat("row of source ", r.source()));
        }
        if (r.sequence() == 0 || r.stretch_age() >= r.sequence()) {
          return InvalidArgument(StrCat("row ", r.sequence(),
                                        " of a stretch that began ",
                                        r.stretch_age(), " frames before"));
        }
        RowEntry row;
        row.name = {incarnation, r.sequence()};
        row.source = static_cast<recorder::SourceId>(r.source());
        row.stretch = r.sequence() - r.stretch_age();
        row.time = {r.monotonic_ms(), r.unix_ms()};
        row.payload = std::move(*r.mutable_payload());
        out.emplace_back(std::move(row));
        break;
      }
      case flight::v1::Entry::kSeries: {
        flight::v1::Series& s = *e.mutable_series();
        SeriesEntry series;
        series.incarnation = incarnation;
        series.id = s.id();
        series.name = std::move(*s.mutable_name());
        if (s.family().empty()) {
          series.family = series.name;
        } else {
          series.family = std::move(*s.mutable_family());
        }
        series.labels = std::move(*s.mutable_labels());
        // A type of a later version reads as unknown.
        if (s.type() <=
            static_cast<std::uint32_t>(exposition::MetricType::kStateSet)) {
          series.type = static_cast<exposition::MetricType>(s.type());
        }
        series.help = std::move(*s.mutable_help());
        series.unit = std::move(*s.mutable_unit());
        out.emplace_back(std::move(series));
        break;
      }
      case flight::v1::Entry::kSource: {
        flight::v1::Source& s = *e.mutable_source();
        if (s.id() > kMaxSource) {
          return InvalidArgument(StrCat("source ", s.id()));
        }
        out.emplace_back(SourceEntry{incarnation,
                                     static_cast<recorder::SourceId>(s.id()),
                                     std::move(*s.mutable_name()),
                                     std::move(*s.mutable_container_name())});
        break;
      }
      case flight::v1::Entry::kChunk: {
        flight::v1::Chunk& c = *e.mutable_chunk();
        if (c.first() == 0 || c.last() < c.first()) {
          return InvalidArgument(
              StrCat("chunk of frames ", c.first(), " to ", c.last()));
        }
        out.emplace_back(ChunkEntry{incarnation, c.first(), c.last(),
                                    std::move(*c.mutable_data())});
        break;
      }
      case flight::v1::Entry::KIND_NOT_SET:
        break;  // of a later version
    }
  }
  return out;
}

void PutIdentity(const fleet::AgentIdentity& identity,
                 flight::v1::Identity* out) {
  out->set_node_name(ToValidUtf8(identity.node_name));
  out->set_instance_id(ToValidUtf8(identity.instance_id));
  out->set_incarnation(identity.incarnation);
  out->set_role(ToValidUtf8(identity.role));
  for (const auto& [key, value] : identity.labels) {
    (*out->mutable_labels())[ToValidUtf8(key)] = ToValidUtf8(value);
  }
  out->set_pod_name(ToValidUtf8(identity.pod_name));
  for (const std::string& name : identity.container_names) {
    out->add_container_names(ToValidUtf8(name));
  }
  out->set_http_port(identity.http_port);
  out->set_advertise_address(ToValidUtf8(identity.advertise_address));
}

Result<fleet::AgentIdentity> TakeIdentity(const flight::v1::Identity& from) {
  FODC_RETURN_IF_ERROR(
      fleet::CheckIdentitySize(from.ByteSizeLong(), from.labels().size()));
  if (from.instance_id().empty()) {
    return InvalidArgument("instance id cannot be empty");
  }
  if (from.incarnation() == 0) {
    return InvalidArgument("incarnation cannot be 0");
  }
  if (from.http_port() > 65535) {
    return InvalidArgument(StrCat("HTTP port ", from.http_port()));
  }
  fleet::AgentIdentity identity;
  identity.node_name = from.node_name();
  identity.instance_id = from.instance_id();
  identity.incarnation = from.incarnation();
  identity.role =
      from.role().empty() ? std::string(fleet::kRoleUnspecified) : from.role();
  identity.labels.insert(from.labels().begin(), from.labels().end());
  identity.pod_name = from.pod_name();
  identity.container_names.assign(from.container_names().begin(),
                                  from.container_names().end());
  identity.http_port = from.http_port();
  identity.advertise_address = from.advertise_address();
  return identity;
}

void AppendIncident(const evidence::Incident& incident,
                    flight::v1::Incidents* out) {
  flight::v1::Incident* i = out->add_incidents();
  i->set_id(incident.id);
  i->set_detector(incident.detector);
  i->set_verdict(incident.verdict);
  i->set_cause(incident.cause);
  i->set_target(incident.target);
  i->set_summary(incident.summary);
  i->set_advice(incident.advice);
  i->set_started_unix_ms(incident.started_ms);
  i->set_updated_unix_ms(incident.updated_ms);
  i->set_ended_unix_ms(incident.ended_ms);
  i->set_revision(incident.revision);
  for (const evidence::IncidentNumber& number : incident.numbers) {
    flight::v1::IncidentNumber* n = i->add_numbers();
    n->set_name(number.name);
    n->set_value(number.value);
  }
  for (const std::string& signal : incident.missing_signals) {
    i->add_missing_signals(signal);
  }
}

Result<std::vector<evidence::Incident>> TakeIncidents(
    flight::v1::Incidents* from) {
  if (from->incidents_size() > kMaxIncidents) {
    return InvalidArgument(StrCat(from->incidents_size(),
                                  " incidents in a message; the limit is ",
                                  kMaxIncidents));
  }
  std::vector<evidence::Incident> out;
  out.reserve(static_cast<std::size_t>(from->incidents_size()));
  for (flight::v1::Incident& i : *from->mutable_incidents()) {
    evidence::Incident& incident = out.emplace_back();
    incident.id = std::move(*i.mutable_id());
    incident.detector = std::move(*i.mutable_detector());
    incident.verdict = std::move(*i.mutable_verdict());
    incident.cause = std::move(*i.mutable_cause());
    incident.target = std::move(*i.mutable_target());
    incident.summary = std::move(*i.mutable_summary());
    incident.advice = std::move(*i.mutable_advice());
    incident.started_ms = i.started_unix_ms();
    incident.updated_ms = i.updated_unix_ms();
    incident.ended_ms = i.ended_unix_ms();
    incident.revision = i.revision();
    incident.numbers.reserve(static_cast<std::size_t>(i.numbers_size()));
    for (flight::v1::IncidentNumber& n : *i.mutable_numbers()) {
      incident.numbers.push_back({std::move(*n.mutable_name()), n.value()});
    }
    for (std::string& signal : *i.mutable_missing_signals()) {
      incident.missing_signals.push_back(std::move(signal));
    }
  }
  return out;
}

}  // namespace fodc::link
