// SPDX-License-Identifier: Apache-2.0
// The names of evidence: of an event and of an artifact in it. They come from
// the network, too, and become names of files: each is checked before it is
// one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::evidence {

// When it was triggered: "20260627T101112.000000000Z", in UTC, nine digits of
// the second. It is the name of the event's directory, as Go's agent has it;
// the order of ids is that of times. For years 1678..2261.
std::string MakeEventId(UnixTime t);

// The time. Errors: kInvalidArgument naming the id, cut, if it is not exactly
// what MakeEventId makes of some time.
Result<UnixTime> ParseEventId(std::string_view id);

// So that a member of an archive, "<id>/<name>", has a name of 100 bytes at
// most (docs/formats/capsule.md).
inline constexpr std::size_t kMaxArtifactNameBytes = 64;

// Letters, digits, '.', '_' and '-', not '.' at the front; 64 bytes at most.
// Not one of the store's own files, either: what begins with "meta.json", and
// "MANIFEST.sha256". Errors: kInvalidArgument naming the name, cut.
Status CheckArtifactName(std::string_view name);

}  // namespace fodc::evidence
