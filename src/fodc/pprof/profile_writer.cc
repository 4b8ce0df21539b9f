// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/profile_writer.h"

#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {

// Fields of a message may come in any order, so each string, mapping and
// location is written right when it is used first.
struct ProfileWriter::Impl {
  std::unique_ptr<GzipWriter> gzip;
  std::span<const Mapping> mappings;
  std::size_t value_count = 0;
  std::map<std::string, std::uint64_t, std::less<>> strings;
  std::unordered_map<std::uint64_t, std::uint64_t> locations;
  WireMessage sample;  // kept for its memory
  WireMessage part;
  WireMessage field;

  Status Write(std::uint32_t number, const WireMessage& message) {
    field.Clear();
    field.Bytes(number, message.bytes());
    return gzip->Write(field.bytes());
  }

  Status WriteUint(std::uint32_t number, std::uint64_t value) {
    field.Clear();
    field.Uint(number, value);
    return gzip->Write(field.bytes());
  }

  Result<std::uint64_t> String(std::string_view text) {
    const auto it = strings.find(text);
    if (it != strings.end()) return it->second;
    if (strings.size() >= kMaxLocations) {
      return ResourceExhausted(
          StrCat("a profile of more than ", kMaxLocations, " strings"));
    }
    const std::uint64_t index = strings.size();
    strings.emplace(text, index);
    field.Clear();
    field.Bytes(kProfileStringTable, text);
    FODC_RETURN_IF_ERROR(gzip->Write(field.bytes()));
    return index;
  }

  Status WriteValueType(std::uint32_t number, const ValueTypeName& name) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t type, String(name.type));
    FODC_ASSIGN_OR_RETURN(const std::uint64_t unit, String(name.unit));
    part.Clear();
    part.Uint(kValueTypeType, type);
    part.Uint(kValueTypeUnit, unit);
    return Write(number, part);
  }

  Status WriteMapping(std::uint64_t id, const Mapping& m) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t path, String(m.path()));
    FODC_ASSIGN_OR_RETURN(const std::uint64_t build_id, String(BuildIdText(m)));
    part.Clear();
    part.Uint(kMappingId, id);
    part.Uint(kMappingStart, m.start);
    part.Uint(kMappingLimit, m.limit);
    part.Uint(kMappingOffset, m.file_offset);
    part.Uint(kMappingFilename, path);
    part.Uint(kMappingBuildId, build_id);
    return Write(kProfileMapping, part);
  }

  Status WriteHead(const ProfileHead& head) {
    FODC_RETURN_IF_ERROR(String("").status());  // the first one must be ""
    for (const ValueTypeName& type : head.sample_types) {
      FODC_RETURN_IF_ERROR(WriteValueType(kProfileSampleType, type));
    }
    FODC_RETURN_IF_ERROR(WriteValueType(kProfilePeriodType, head.period_type));
    FODC_RETURN_IF_ERROR(
        WriteUint(kProfilePeriod, static_cast<std::uint64_t>(head.period)));
    FODC_RETURN_IF_ERROR(WriteUint(
        kProfileTimeNanos,
        static_cast<std::uint64_t>(head.time.time_since_epoch().count())));
    for (std::string_view comment : head.comments) {
      FODC_ASSIGN_OR_RETURN(const std::uint64_t text, String(comment));
      FODC_RETURN_IF_ERROR(WriteUint(kProfileComment, text));
    }
    FODC_ASSIGN_OR_RETURN(const std::uint64_t first,
                          String(head.default_sample_type));
    FODC_RETURN_IF_ERROR(WriteUint(kProfileDefaultSampleType, first));
    for (std::size_t i = 0; i < mappings.size(); ++i) {
      FODC_RETURN_IF_ERROR(WriteMapping(i + 1, mappings[i]));
    }
    return OkStatus();
  }

  Result<std::uint64_t> Location(std::uint64_t address) {
    const auto it = locations.find(address);
    if (it != locations.end()) return it->second;
    if (locations.size() >= kMaxLocations) {
      return ResourceExhausted(
          StrCat("a profile of more than ", kMaxLocations, " addresses"));
    }
    const std::uint64_t id = locations.size() + 1;
    locations.emplace(address, id);
    const Mapping* m = FindMapping(mappings, address);
    part.Clear();
    part.Uint(kLocationId, id);
    part.Uint(
        kLocationMappingId,
        m == nullptr ? 0 : static_cast<std::uint64_t>(m - mappings.data()) + 1);
    part.Uint(kLocationAddress, address);
    FODC_RETURN_IF_ERROR(Write(kProfileLocation, part));
    return id;
  }
};

ProfileWriter::ProfileWriter(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
ProfileWriter::~ProfileWriter() = default;

Result<std::unique_ptr<ProfileWriter>> ProfileWriter::Create(
    const ProfileHead& head, Sink sink) {
  auto impl = std::make_unique<Impl>();
  FODC_ASSIGN_OR_RETURN(impl->gzip, GzipWriter::Create(std::move(sink)));
  impl->mappings = head.mappings;
  impl->value_count = head.sample_types.size();
  FODC_RETURN_IF_ERROR(impl->WriteHead(head));
  return std::unique_ptr<ProfileWriter>(new ProfileWriter(std::move(impl)));
}

Status ProfileWriter::Add(std::span<const std::uint64_t> stack,
                          std::span<const std::int64_t> values,
                          std::span<const SampleLabel> labels) {
  Impl& w = *impl_;
  if (values.size() != w.value_count) {
    return InvalidArgument(StrCat("a sample of ", values.size(),
                                  " values; the profile has ", w.value_count));
  }
  w.sample.Clear();
  for (const std::uint64_t address : stack) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t id, w.Location(address));
    w.sample.Item(kSampleLocationId, id);
  }
  for (const std::int64_t value : values) {
    w.sample.Item(kSampleValue, static_cast<std::uint64_t>(value));
  }
  for (const SampleLabel& label : labels) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t key, w.String(label.key));
    FODC_ASSIGN_OR_RETURN(const std::uint64_t text, w.String(label.text));
    w.part.Clear();
    w.part.Uint(kLabelKey, key);
    w.part.Uint(kLabelText, text);
    w.sample.Bytes(kSampleLabel, w.part.bytes());
  }
  return w.Write(kProfileSample, w.sample);
}

Status ProfileWriter::Finish() { return impl_->gzip->Finish(); }

}  // namespace fodc::pprof
