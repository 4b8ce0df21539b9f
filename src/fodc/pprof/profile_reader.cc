// SPDX-License-Identifier: Apache-2.0
#include <unordered_map>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {
namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";

// Calls `each(field)`, which returns a Status, for the fields of a message.
template <typename Each>
Status ForFields(std::string_view message, const Each& each) {
  for (bool ok = true;;) {
    const std::optional<WireField> field = TakeField(&message, &ok);
    if (!ok) return DataLoss("no protocol buffer, or cut");
    if (!field) return OkStatus();
    FODC_RETURN_IF_ERROR(each(*field));
  }
}

// Calls `each(value)` for what a repeated number has, packed or not.
template <typename Each>
Status ForNumbers(const WireField& field, const Each& each) {
  if (!field.is_bytes) return each(field.value);
  for (std::string_view rest = field.bytes; !rest.empty();) {
    const std::optional<std::uint64_t> value = TakeVarint(&rest);
    if (!value) return DataLoss("no list of numbers");
    FODC_RETURN_IF_ERROR(each(*value));
  }
  return OkStatus();
}

// Ids of one kind of thing, and where each stands.
class Ids {
 public:
  explicit Ids(std::string_view kind) : kind_(kind) {}

  Status Add(std::uint64_t id) {
    if (id == 0) return DataLoss(StrCat("a ", kind_, " with the id 0"));
    if (!places_.emplace(id, places_.size()).second) {
      return DataLoss(StrCat(kind_, " ", id, " is given twice"));
    }
    return OkStatus();
  }

  Result<std::size_t> Find(std::uint64_t id) const {
    const auto it = places_.find(id);
    if (it == places_.end()) return DataLoss(StrCat("no ", kind_, " ", id));
    return it->second;
  }

 private:
  std::string_view kind_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
};

class Reader {
 public:
  explicit Reader(const ProfileLimits& limits) : limits_(limits) {}

  Result<Profile> Read(std::string_view message) {
    FODC_RETURN_IF_ERROR(ReadStrings(message));
    FODC_RETURN_IF_ERROR(ForFields(
        message, [this](const WireField& f) { return ReadThing(f); }));
    // Samples refer to locations, those to functions and mappings, in any
    // order.
    for (std::size_t i = 0; i < p_.locations.size(); ++i) {
      FODC_RETURN_IF_ERROR(ReadLocation(location_bytes_[i], &p_.locations[i]));
    }
    for (std::size_t i = 0; i < p_.samples.size(); ++i) {
      FODC_RETURN_IF_ERROR(ReadSample(sample_bytes_[i], &p_.samples[i]));
    }
    return std::move(p_);
  }

 private:
  Status Bound(std::size_t count) const {
    if (count < limits_.items) return OkStatus();
    return ResourceExhausted(
        StrCat("a profile of more than ", limits_.items, " of a kind"));
  }

  Status ReadStrings(std::string_view message) {
    const Status read = ForFields(message, [this](const WireField& f) {
      if (f.number != kProfileStringTable) return OkStatus();
      FODC_RETURN_IF_ERROR(Bound(strings_.size()));
      strings_.push_back(f.bytes);
      return OkStatus();
    });
    FODC_RETURN_IF_ERROR(read);
    if (strings_.empty() || !strings_[0].empty()) {
      return DataLoss("the table of strings does not begin with \"\"");
    }
    return OkStatus();
  }

  Status Text(std::uint64_t index, std::string* out) {
    if (index >= strings_.size()) {
      return DataLoss(StrCat("no string ", index, " of ", strings_.size()));
    }
    text_bytes_ += strings_[index].size();
    if (text_bytes_ > limits_.text_bytes) {
      return ResourceExhausted(StrCat("a profile of more than ",
                                      limits_.text_bytes, " bytes of text"));
    }
    *out = strings_[index];
    return OkStatus();
  }

  Status ReadThing(const WireField& f) {
    const auto number = static_cast<std::int64_t>(f.value);
    switch (f.number) {
      case kProfileSampleType:
        FODC_RETURN_IF_ERROR(Bound(p_.sample_types.size()));
        return ReadValueType(f.bytes, &p_.sample_types.emplace_back());
      case kProfileSample:
        FODC_RETURN_IF_ERROR(Bound(p_.samples.size()));
        p_.samples.emplace_back();
        sample_bytes_.push_back(f.bytes);
        return OkStatus();
      case kProfileMapping:
        FODC_RETURN_IF_ERROR(Bound(p_.mappings.size()));
        return ReadMapping(f.bytes, &p_.mappings.emplace_back());
      case kProfileLocation:
        FODC_RETURN_IF_ERROR(Bound(p_.locations.size()));
        p_.locations.emplace_back();
        location_bytes_.push_back(f.bytes);
        return ReadLocationId(f.bytes);
      case kProfileFunction:
        FODC_RETURN_IF_ERROR(Bound(p_.functions.size()));
        return ReadFunction(f.bytes, &p_.functions.emplace_back());
      case kProfileTimeNanos:
        p_.time_ns = number;
        return OkStatus();
      case kProfileDurationNanos:
        p_.duration_ns = number;
        return OkStatus();
      case kProfilePeriodType:
        return ReadValueType(f.bytes, &p_.period_type);
      case kProfilePeriod:
        p_.period = number;
        return OkStatus();
      case kProfileComment:
        return ForNumbers(f, [this](std::uint64_t index) {
          FODC_RETURN_IF_ERROR(Bound(p_.comments.size()));
          return Text(index, &p_.comments.emplace_back());
        });
      case kProfileDefaultSampleType:
        return Text(f.value, &p_.default_sample_type);
      default:
        return OkStatus();
    }
  }

  Status ReadValueType(std::string_view bytes, Profile::ValueType* out) {
    return ForFields(bytes, [&](const WireField& f) {
      if (f.number == kValueTypeType) return Text(f.value, &out->type);
      if (f.number == kValueTypeUnit) return Text(f.value, &out->unit);
      return OkStatus();
    });
  }

  Status ReadMapping(std::string_view bytes, Profile::Mapping* out) {
    std::uint64_t id = 0;
    FODC_RETURN_IF_ERROR(ForFields(bytes, [&](const WireField& f) {
      if (f.number == kMappingId) id = f.value;
      if (f.number == kMappingStart) out->start = f.value;
      if (f.number == kMappingLimit) out->limit = f.value;
      if (f.number == kMappingOffset) out->file_offset = f.value;
      if (f.number == kMappingFilename) return Text(f.value, &out->path);
      if (f.number == kMappingBuildId) return Text(f.value, &out->build_id);
      return OkStatus();
    }));
    return mapping_ids_.Add(id);
  }

  Status ReadFunction(std::string_view bytes, Profile::Function* out) {
    std::uint64_t id = 0;
    FODC_RETURN_IF_ERROR(ForFields(bytes, [&](const WireField& f) {
      if (f.number == kFunctionId) id = f.value;
      if (f.number == kFunctionName) return Text(f.value, &out->name);
      if (f.number == kFunctionFilename) return Text(f.value, &out->path);
      if (f.number == kFunctionSystemName) {
        return Text(f.value, &out->system_name);
      }
      if (f.number == kFunctionStartLine) {
        out->start_line = static_cast<std::int64_t>(f.value);
      }
      return OkStatus();
    }));
    return function_ids_.Add(id);
  }

  Status ReadLocationId(std::string_view bytes) {
    std::uint64_t id = 0;
    FODC_RETURN_IF_ERROR(ForFields(bytes, [&](const WireField& f) {
      if (f.number == kLocationId) id = f.value;
      return OkStatus();
    }));
    return location_ids_.Add(id);
  }

  Status ReadLocation(std::string_view bytes, Profile::Location* out) {
    return ForFields(bytes, [&](const WireField& f) -> Status {
      if (f.number == kLocationAddress) out->address = f.value;
      if (f.number == kLocationMappingId && f.value != 0) {
        FODC_ASSIGN_OR_RETURN(out->mapping, mapping_ids_.Find(f.value));
      }
      if (f.number != kLocationLine) return OkStatus();
      FODC_RETURN_IF_ERROR(CountFrame());
      return ReadLine(f.bytes, &out->lines.emplace_back());
    });
  }

  Status ReadLine(std::string_view bytes, Profile::Line* out) {
    std::uint64_t id = 0;
    FODC_RETURN_IF_ERROR(ForFields(bytes, [&](const WireField& f) {
      if (f.number == kLineFunctionId) id = f.value;
      if (f.number == kLineLine) out->line = static_cast<std::int64_t>(f.value);
      return OkStatus();
    }));
    FODC_ASSIGN_OR_RETURN(out->function, function_ids_.Find(id));
    return OkStatus();
  }

  Status ReadSample(std::string_view bytes, Profile::Sample* out) {
    const Status read = ForFields(bytes, [&](const WireField& f) -> Status {
      if (f.number == kSampleLocationId) {
        return ForNumbers(f, [&](std::uint64_t id) -> Status {
          FODC_RETURN_IF_ERROR(CountFrame());
          FODC_ASSIGN_OR_RETURN(const std::size_t at, location_ids_.Find(id));
          out->locations.push_back(at);
          return OkStatus();
        });
      }
      if (f.number == kSampleValue) {
        return ForNumbers(f, [&](std::uint64_t value) {
          FODC_RETURN_IF_ERROR(CountFrame());
          out->values.push_back(static_cast<std::int64_t>(value));
          return OkStatus();
        });
      }
      if (f.number != kSampleLabel) return OkStatus();
      FODC_RETURN_IF_ERROR(CountFrame());
      return ReadLabel(f.bytes, &out->labels.emplace_back());
    });
    FODC_RETURN_IF_ERROR(read);
    if (out->values.size() == p_.sample_types.size()) return OkStatus();
    return DataLoss(StrCat("a sample of ", out->values.size(), " values for ",
                           p_.sample_types.size(), " types"));
  }

  Status ReadLabel(std::string_view bytes, Profile::Label* out) {
    return ForFields(bytes, [&](const WireField& f) {
      if (f.number == kLabelKey) return Text(f.value, &out->key);
      if (f.number == kLabelText) return Text(f.value, &out->text);
      if (f.number == kLabelUnit) return Text(f.value, &out->unit);
      if (f.number == kLabelNumber) {
        out->number = static_cast<std::int64_t>(f.value);
      }
      return OkStatus();
    });
  }

  Status CountFrame() {
    if (++frames_ <= limits_.frames) return OkStatus();
    return ResourceExhausted(StrCat("a profile of more than ", limits_.frames,
                                    " frames, values and labels"));
  }

  const ProfileLimits& limits_;
  Profile p_;
  std::vector<std::string_view> strings_;
  std::vector<std::string_view> sample_bytes_;
  std::vector<std::string_view> location_bytes_;
  Ids mapping_ids_{"mapping"};
  Ids function_ids_{"function"};
  Ids location_ids_{"location"};
  std::size_t text_bytes_ = 0;
  std::size_t frames_ = 0;
};

}  // namespace

std::optional<std::size_t> Profile::FindSampleType(
    std::string_view type) const {
  for (std::size_t i = 0; i < sample_types.size(); ++i) {
    if (sample_types[i].type == type) return i;
  }
  return {};
}

Result<Profile> ReadProfile(std::string_view bytes,
                            const ProfileLimits& limits) {
  if (bytes.starts_with(kGzipMagic)) {
    FODC_ASSIGN_OR_RETURN(const std::string message,
                          Gunzip(bytes, limits.bytes));
    return Reader(limits).Read(message);
  }
  if (bytes.size() > limits.bytes) {
    return ResourceExhausted(
        StrCat("a profile of more than ", limits.bytes, " bytes"));
  }
  return Reader(limits).Read(bytes);
}

}  // namespace fodc::pprof
