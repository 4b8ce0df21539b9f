// SPDX-License-Identifier: Apache-2.0
// The capsule: one event in one file (docs/formats/capsule.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::evidence {

inline constexpr std::string_view kManifestFile = "MANIFEST.sha256";
inline constexpr std::size_t kMaxManifestBytes = 64 << 10;
inline constexpr std::string_view kCapsuleSuffix = ".tar.zst";

// The digests by name.
using Manifest = std::map<std::string, std::string, std::less<>>;

// A line for each, as sha256sum(1) writes and checks it: the digest, two
// blanks, the name.
std::string EncodeManifest(const Manifest& manifest);
// Errors: kDataLoss for a line that is no such line, a name twice, and for what
// is neither meta.json nor an artifact's name.
Result<Manifest> DecodeManifest(std::string_view text);

}  // namespace fodc::evidence
