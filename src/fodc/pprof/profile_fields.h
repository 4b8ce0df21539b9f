// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fodc::pprof {

// Field numbers of profile.proto, of one message after the other.
enum ProfileField : std::uint32_t {
  kProfileSampleType = 1,
  kProfileSample = 2,
  kProfileMapping = 3,
  kProfileLocation = 4,
  kProfileFunction = 5,
  kProfileStringTable = 6,
  kProfileDropFrames = 7,
  kProfileTimeNanos = 9,
  kProfileDurationNanos = 10,
  kProfilePeriodType = 11,
  kProfilePeriod = 12,
  kProfileComment = 13,
  kProfileDefaultSampleType = 14,

  kValueTypeType = 1,
  kValueTypeUnit = 2,

  kSampleLocationId = 1,
  kSampleValue = 2,
  kSampleLabel = 3,

  kLabelKey = 1,
  kLabelText = 2,
  kLabelNumber = 3,
  kLabelUnit = 4,

  kMappingId = 1,
  kMappingStart = 2,
  kMappingLimit = 3,
  kMappingOffset = 4,
  kMappingFilename = 5,
  kMappingBuildId = 6,

  kLocationId = 1,
  kLocationMappingId = 2,
  kLocationAddress = 3,
  kLocationLine = 4,

  kLineFunctionId = 1,
  kLineLine = 2,

  kFunctionId = 1,
  kFunctionName = 2,
  kFunctionSystemName = 3,
  kFunctionFilename = 4,
  kFunctionStartLine = 5,
};

}  // namespace fodc::pprof
