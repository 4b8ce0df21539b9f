// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/text_profile.h"

namespace fodc::pprof {
namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";
// Places in the message are 32 bits wide.
constexpr std::size_t kMaxMessageBytes = 0xffffffff;

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

Status CheckSize(std::size_t bytes, const ProfileLimits& limits) {
  const std::size_t max = std::min(limits.bytes, kMaxMessageBytes);
  if (bytes <= max) return OkStatus();
  return ResourceExhausted(StrCat("a profile of more than ", max, " bytes"));
}

}  // namespace

// Reads a message once for its strings, once for all things, and then what
// refers to them: they may come in any order.
class ProfileIndexer {
 public:
  explicit ProfileIndexer(const ProfileLimits& limits) : limits_(limits) {}

  Result<Profile> Read(std::string message) {
    p_.message_ = std::move(message);
    FODC_RETURN_IF_ERROR(ReadStrings());
    FODC_RETURN_IF_ERROR(
        ForFields(p_.message_, [this](const WireField& f) { return Take(f); }));
    FODC_RETURN_IF_ERROR(mapping_ids_.Build("mapping", p_.mappings_));
    FODC_RETURN_IF_ERROR(function_ids_.Build("function", p_.functions_));
    FODC_RETURN_IF_ERROR(p_.location_ids_.Build("location", p_.locations_));
    FODC_RETURN_IF_ERROR(ResolveLocations());
    for (const Profile::Piece sample : p_.samples_) {
      FODC_RETURN_IF_ERROR(CheckSample(p_.At(sample)));
    }
    return std::move(p_);
  }

 private:
  // Of a view of the message; a field of another kind has none.
  Profile::Piece PieceOf(std::string_view bytes) const {
    if (bytes.empty()) return {};
    return {static_cast<std::uint32_t>(bytes.data() - p_.message_.data()),
            static_cast<std::uint32_t>(bytes.size())};
  }

  Status Bound(std::size_t count, std::string_view what) const {
    if (count < limits_.items) return OkStatus();
    return ResourceExhausted(
        StrCat("a profile of more than ", limits_.items, " ", what));
  }

  // Counted before they are kept, so that no vector grows beyond its need.
  Status ReadStrings() {
    std::size_t strings = 0;
    std::size_t samples = 0;
    std::size_t locations = 0;
    std::size_t functions = 0;
    const Status counted = ForFields(p_.message_, [&](const WireField& f) {
      strings += f.number == kProfileStringTable ? 1 : 0;
      samples += f.number == kProfileSample ? 1 : 0;
      locations += f.number == kProfileLocation ? 1 : 0;
      functions += f.number == kProfileFunction ? 1 : 0;
      return OkStatus();
    });
    FODC_RETURN_IF_ERROR(counted);
    p_.strings_.reserve(std::min(strings, limits_.items));
    p_.samples_.reserve(std::min(samples, limits_.items));
    p_.locations_.reserve(std::min(locations, limits_.items));
    p_.functions_.reserve(std::min(functions, limits_.items));
    const Status read = ForFields(p_.message_, [this](const WireField& f) {
      if (f.number != kProfileStringTable) return OkStatus();
      FODC_RETURN_IF_ERROR(Bound(p_.strings_.size(), "strings"));
      p_.strings_.push_back(PieceOf(f.bytes));
      return OkStatus();
    });
    FODC_RETURN_IF_ERROR(read);
    if (p_.strings_.empty() || p_.strings_[0].size != 0) {
      return DataLoss("the table of strings does not begin with \"\"");
    }
    return OkStatus();
  }

  Status Text(std::uint64_t index, std::uint32_t* out) const {
    if (index >= p_.strings_.size()) {
      return DataLoss(StrCat("no string ", index, " of ", p_.strings_.size()));
    }
    *out = static_cast<std::uint32_t>(index);
    return OkStatus();
  }

  Status Take(const WireField& f) {
    const auto number = static_cast<std::int64_t>(f.value);
    switch (f.number) {
      case kProfileSampleType:
        FODC_RETURN_IF_ERROR(Bound(p_.sample_types_.size(), "sample types"));
        return TakeValueType(f.bytes, &p_.sample_types_.emplace_back());
      case kProfileSample:
        FODC_RETURN_IF_ERROR(Bound(p_.samples_.size(), "samples"));
        p_.samples_.push_back(PieceOf(f.bytes));
        return OkStatus();
      case kProfileMapping:
        FODC_RETURN_IF_ERROR(Bound(p_.mappings_.size(), "mappings"));
        return TakeMapping(f.bytes, &p_.mappings_.emplace_back());
      case kProfileLocation:
        FODC_RETURN_IF_ERROR(Bound(p_.locations_.size(), "locations"));
        return TakeLocation(f.bytes, &p_.locations_.emplace_back());
      case kProfileFunction:
        FODC_RETURN_IF_ERROR(Bound(p_.functions_.size(), "functions"));
        return TakeFunction(f.bytes, &p_.functions_.emplace_back());
      case kProfileDropFrames:
        return Text(f.value, &p_.drop_frames_);
      case kProfileKeepFrames:
        return Text(f.value, &p_.keep_frames_);
      case kProfileTimeNanos:
        p_.time_ns_ = number;
        return OkStatus();
      case kProfileDurationNanos:
        p_.duration_ns_ = number;
        return OkStatus();
      case kProfilePeriodType:
        return TakeValueType(f.bytes, &p_.period_type_);
      case kProfilePeriod:
        p_.period_ = number;
        return OkStatus();
      case kProfileComment:
        return ForCheckedNumbers(f, [this](std::uint64_t index) {
          FODC_RETURN_IF_ERROR(Bound(p_.comments_.size(), "comments"));
          return Text(index, &p_.comments_.emplace_back());
        });
      case kProfileDefaultSampleType:
        return Text(f.value, &p_.default_sample_type_);
      default:
        return OkStatus();
    }
  }

  // As ForNumbers, of a list that may be cut.
  template <typename Each>
  static Status ForCheckedNumbers(const WireField& field, const Each& each) {
    Status status;
    const bool is_whole = ForNumbers(field, [&](std::uint64_t value) {
      if (status.ok()) status = each(value);
    });
    if (status.ok() && !is_whole) return DataLoss("no list of numbers");
    return status;
  }

  Status TakeValueType(std::string_view bytes, Profile::ValueType* out) const {
    return ForFields(bytes, [&](const WireField& f) {
      if (f.number == kValueTypeType) return Text(f.value, &out->type);
      if (f.number == kValueTypeUnit) return Text(f.value, &out->unit);
      return OkStatus();
    });
  }

  Status TakeMapping(std::string_view bytes, Profile::Mapping* out) const {
    return ForFields(bytes, [&](const WireField& f) {
      switch (f.number) {
        case kMappingId:
          out->id = f.value;
          break;
        case kMappingStart:
          out->start = f.value;
          break;
        case kMappingLimit:
          out->limit = f.value;
          break;
        case kMappingOffset:
          out->file_offset = f.value;
          break;
        case kMappingFilename:
          return Text(f.value, &out->path);
        case kMappingBuildId:
          return Text(f.value, &out->build_id);
        case kMappingHasFunctions:
          out->has_functions = f.value != 0;
          break;
        case kMappingHasFilenames:
          out->has_filenames = f.value != 0;
          break;
        case kMappingHasLineNumbers:
          out->has_line_numbers = f.value != 0;
          break;
        case kMappingHasInlineFrames:
          out->has_inline_frames = f.value != 0;
          break;
        default:
          break;
      }
      return OkStatus();
    });
  }

  Status TakeFunction(std::string_view bytes, Profile::Function* out) const {
    return ForFields(bytes, [&](const WireField& f) {
      if (f.number == kFunctionId) out->id = f.value;
      if (f.number == kFunctionName) return Text(f.value, &out->name);
      if (f.number == kFunctionFilename) return Text(f.value, &out->path);
      if (f.number == kFunctionSystemName) {
        return Text(f.value, &out->system_name);
      }
      if (f.number == kFunctionStartLine) {
        out->start_line = static_cast<std::int64_t>(f.value);
      }
      return OkStatus();
    });
  }

  // Functions are ids until ResolveLocations: one that comes later is not
  // known yet.
  Status TakeLocation(std::string_view bytes, Profile::Location* out) {
    out->first_line = static_cast<std::uint32_t>(p_.lines_.size());
    std::uint64_t mapping = 0;
    const Status read = ForFields(bytes, [&](const WireField& f) {
      if (f.number == kLocationId) out->id = f.value;
      if (f.number == kLocationAddress) out->address = f.value;
      if (f.number == kLocationMappingId) mapping = f.value;
      if (f.number == kLocationIsFolded) out->is_folded = f.value != 0;
      if (f.number != kLocationLine) return OkStatus();
      FODC_RETURN_IF_ERROR(Bound(p_.lines_.size(), "lines"));
      ++out->line_count;
      return TakeLine(f.bytes);
    });
    FODC_RETURN_IF_ERROR(read);
    mapping_of_.push_back(mapping);
    return OkStatus();
  }

  Status TakeLine(std::string_view bytes) {
    std::uint64_t& function = function_of_.emplace_back();
    Profile::Line& line = p_.lines_.emplace_back();
    return ForFields(bytes, [&](const WireField& f) {
      if (f.number == kLineFunctionId) function = f.value;
      if (f.number == kLineLine) line.line = static_cast<std::int64_t>(f.value);
      return OkStatus();
    });
  }

  Status ResolveLocations() {
    for (std::size_t i = 0; i < p_.locations_.size(); ++i) {
      if (mapping_of_[i] == 0) continue;
      const auto at = mapping_ids_.Find(mapping_of_[i]);
      if (!at) return DataLoss(StrCat("no mapping ", mapping_of_[i]));
      p_.locations_[i].mapping = *at;
    }
    for (std::size_t i = 0; i < p_.lines_.size(); ++i) {
      const auto at = function_ids_.Find(function_of_[i]);
      if (!at) return DataLoss(StrCat("no function ", function_of_[i]));
      p_.lines_[i].function = *at;
    }
    return OkStatus();
  }

  Status CheckSample(std::string_view bytes) const {
    std::size_t values = 0;
    std::size_t frames = 0;
    const auto count = [this](std::size_t* n) {
      if (++*n <= limits_.frames) return OkStatus();
      return ResourceExhausted(StrCat("a sample of more than ", limits_.frames,
                                      " frames, values or labels"));
    };
    std::size_t labels = 0;
    const Status read = ForFields(bytes, [&](const WireField& f) -> Status {
      if (f.number == kSampleLocationId) {
        return ForCheckedNumbers(f, [&](std::uint64_t id) {
          if (!p_.location_ids_.Find(id)) {
            return DataLoss(StrCat("no location ", id));
          }
          return count(&frames);
        });
      }
      if (f.number == kSampleValue) {
        return ForCheckedNumbers(f,
                                 [&](std::uint64_t) { return count(&values); });
      }
      if (f.number != kSampleLabel) return OkStatus();
      FODC_RETURN_IF_ERROR(count(&labels));
      return CheckLabel(f.bytes);
    });
    FODC_RETURN_IF_ERROR(read);
    if (values == p_.sample_types_.size()) return OkStatus();
    return DataLoss(StrCat("a sample of ", values, " values for ",
                           p_.sample_types_.size(), " types"));
  }

  Status CheckLabel(std::string_view bytes) const {
    std::uint32_t text = 0;
    return ForFields(bytes, [&](const WireField& f) {
      const bool is_text = f.number == kLabelKey || f.number == kLabelText ||
                           f.number == kLabelUnit;
      return is_text ? Text(f.value, &text) : OkStatus();
    });
  }

  const ProfileLimits& limits_;
  Profile p_;
  IdIndex mapping_ids_;
  IdIndex function_ids_;
  std::vector<std::uint64_t> mapping_of_;   // the id, for each location
  std::vector<std::uint64_t> function_of_;  // the id, for each line
};

Result<Profile> ReadProfile(std::string bytes, const ProfileLimits& limits) {
  if (bytes.starts_with(kGzipMagic)) {
    FODC_ASSIGN_OR_RETURN(
        std::string contents,
        Gunzip(bytes, std::min(limits.bytes, kMaxMessageBytes)));
    bytes = std::move(contents);
  }
  if (bytes.empty()) return DataLoss("it is empty");
  FODC_RETURN_IF_ERROR(CheckSize(bytes.size(), limits));
  if (IsTextProfile(bytes)) {
    FODC_ASSIGN_OR_RETURN(std::string message, MessageOfText(bytes));
    FODC_RETURN_IF_ERROR(CheckSize(message.size(), limits));
    bytes = std::move(message);
  }
  return ProfileIndexer(limits).Read(std::move(bytes));
}

}  // namespace fodc::pprof
