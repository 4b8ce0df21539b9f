// SPDX-License-Identifier: Apache-2.0
// All of a profile as text, in the form of `pprof -raw`.
#pragma once

#include "fodc/base/status.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/profile.h"

namespace fodc::pprof {

// Samples of zeros and what no sample refers to are left out; locations and
// mappings are numbered as samples come to them. Names are cut at
// kMaxRawNameBytes, control characters in them become `?`. Through a small
// buffer: memory is a few bytes for each location.
// Errors: those of the sink.
inline constexpr std::size_t kMaxRawNameBytes = 4096;
Status WriteRaw(const Profile& profile, const Sink& sink);

}  // namespace fodc::pprof
