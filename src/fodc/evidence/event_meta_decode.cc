// SPDX-License-Identifier: Apache-2.0
// meta.json, read with suspicion. nlohmann-json parses without recursion, and
// the text is bounded before.
#include <concepts>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::evidence {
namespace {

using nlohmann::json;

Status WrongKind(std::string_view key) {
  return DataLoss(StrCat(key, " is not of the right kind"));
}

// Absent and null leave the value as it is, as Go's decoder does.
const json* Member(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// The members of one object. The first that is of the wrong kind is kept, and
// nothing is taken after it.
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {
    if (!object.is_object()) status_ = WrongKind("an object");
  }

  void Text(const char* key, std::string* text) {
    const json* m = Find(key);
    if (m == nullptr) return;
    if (!m->is_string()) return Fail(key);
    *text = m->get_ref<const std::string&>();
  }
  void Time(const char* key, UnixTime* time) {
    std::string text;
    Text(key, &text);
    if (text.empty()) return;
    const Result<UnixTime> t = ParseRfc3339(text);
    if (!t.ok()) return Fail(key);
    *time = *t;
  }
  // JSON has one kind of number; what is no whole one, or out of range, is of
  // the wrong kind.
  template <std::integral T>
  void Number(const char* key, T* number) {
    const json* m = Find(key);
    if (m == nullptr) return;
    if (m->is_number_unsigned() &&
        std::in_range<T>(m->get_ref<const std::uint64_t&>())) {
      *number = static_cast<T>(m->get_ref<const std::uint64_t&>());
    } else if (m->is_number_integer() && !m->is_number_unsigned() &&
               std::in_range<T>(m->get_ref<const std::int64_t&>())) {
      *number = static_cast<T>(m->get_ref<const std::int64_t&>());
    } else {
      Fail(key);
    }
  }
  void Real(const char* key, double* number) {
    const json* m = Find(key);
    if (m == nullptr) return;
    if (!m->is_number()) return Fail(key);
    *number = m->get<double>();
  }
  void Bool(const char* key, bool* value) {
    const json* m = Find(key);
    if (m == nullptr) return;
    if (!m->is_boolean()) return Fail(key);
    *value = m->get<bool>();
  }
  // `read` takes an element and gives a Status.
  template <typename Read>
  void Array(const char* key, std::size_t max, const Read& read) {
    const json* m = Find(key);
    if (m == nullptr) return;
    if (!m->is_array()) return Fail(key);
    if (m->size() > max) {
      status_ = DataLoss(
          StrCat(key, ": there are ", m->size(), "; the limit is ", max));
      return;
    }
    for (const json& element : *m) {
      if (status_.ok()) status_ = read(element).WithContext(key);
    }
  }
  template <typename Read>
  void Object(const char* key, const Read& read) {
    const json* m = Find(key);
    if (m != nullptr) status_ = read(*m).WithContext(key);
  }

  const Status& status() const { return status_; }

 private:
  const json* Find(const char* key) const {
    return status_.ok() ? Member(object_, key) : nullptr;
  }
  void Fail(const char* key) { status_ = WrongKind(key); }

  const json& object_;
  Status status_;
};

Status ReadProfile(const json& j, EventProfile* p) {
  p->format.clear();
  Reader r(j);
  r.Text("type", &p->type);
  r.Text("filename", &p->filename);
  r.Text("filepath", &p->filepath);
  r.Text("format", &p->format);
  r.Number("size_bytes", &p->size_bytes);
  return r.status();
}

Status ReadTrigger(const json& j, EventTrigger* t) {
  Reader r(j);
  r.Text("kind", &t->kind);
  r.Text("summary", &t->summary);
  r.Array("inputs", kMaxIncidentNumbers, [t](const json& element) {
    IncidentNumber& n = t->inputs.emplace_back();
    Reader number(element);
    number.Text("name", &n.name);
    number.Real("value", &n.value);
    return number.status();
  });
  return r.status();
}

Status ReadStep(const json& j, EventStep* s) {
  Reader r(j);
  std::string outcome(StepOutcomeName(StepOutcome::kComplete));
  std::int64_t duration_ns = 0;
  r.Text("step", &s->step);
  r.Text("file", &s->file);
  r.Text("source", &s->source);
  r.Time("startedAt", &s->started);
  r.Number("durationNs", &duration_ns);
  r.Number("bytes", &s->bytes);
  r.Text("sha256", &s->sha256);
  r.Text("outcome", &outcome);
  r.Text("reason", &s->reason);
  FODC_RETURN_IF_ERROR(r.status());
  s->duration = std::chrono::nanoseconds(duration_ns);
  for (const StepOutcome o : {StepOutcome::kComplete, StepOutcome::kCut,
                              StepOutcome::kFailed, StepOutcome::kSkipped}) {
    if (outcome != StepOutcomeName(o)) continue;
    s->outcome = o;
    return OkStatus();
  }
  return WrongKind("outcome");
}

Status ReadDeath(const json& j, EventDeath* d) {
  Reader r(j);
  r.Time("at", &d->at);
  const auto optional = [&r, &j](const char* key,
                                 std::optional<std::int32_t>* number) {
    if (!j.is_object() || Member(j, key) == nullptr) return;
    r.Number(key, &number->emplace());
  };
  optional("exitCode", &d->exit_code);
  optional("signal", &d->signal);
  r.Bool("oomKilled", &d->oom_killed);
  r.Number("count", &d->count);
  r.Text("summary", &d->summary);
  return r.status();
}

}  // namespace

Result<EventMeta> DecodeEventMeta(std::string_view text) {
  if (text.size() > kMaxMetaBytes) {
    return DataLoss(StrCat("meta.json has ", text.size(),
                           " bytes; the limit is ", kMaxMetaBytes));
  }
  const json j = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!j.is_object()) return DataLoss("meta.json is no JSON object");
  EventMeta meta;
  Reader r(j);
  r.Time("capturedAt", &meta.captured_at);
  r.Text("podName", &meta.pod_name);
  r.Text("role", &meta.role);
  r.Text("sourceEndpoint", &meta.source_endpoint);
  r.Array("profiles", kMaxEventProfiles, [&meta](const json& e) {
    return ReadProfile(e, &meta.profiles.emplace_back());
  });
  r.Number("rssBytes", &meta.rss_bytes);
  r.Number("cgroupLimitBytes", &meta.cgroup_limit_bytes);
  r.Number("thresholdBytes", &meta.threshold_bytes);
  r.Number("triggerPercent", &meta.trigger_percent);
  r.Number("revision", &meta.revision);
  r.Text("incidentId", &meta.incident_id);
  r.Text("target", &meta.target);
  r.Text("rampUp", &meta.ramp_up);
  r.Object("trigger",
           [&meta](const json& e) { return ReadTrigger(e, &meta.trigger); });
  r.Array("steps", kMaxEventSteps, [&meta](const json& e) {
    return ReadStep(e, &meta.steps.emplace_back());
  });
  r.Object("death", [&meta](const json& e) {
    return ReadDeath(e, &meta.death.emplace());
  });
  r.Bool("lacksProfiles", &meta.lacks_profiles);
  FODC_RETURN_IF_ERROR(r.status().WithContext("meta.json"));
  const Status status = CheckEventMeta(meta);
  if (!status.ok()) return DataLoss("meta.json: " + status.message());
  return meta;
}

}  // namespace fodc::evidence
