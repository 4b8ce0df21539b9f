// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/capsule.h"

#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/sha256.h"

namespace fodc::evidence {

std::string EncodeManifest(const Manifest& manifest) {
  std::string text;
  for (const auto& [name, sha256] : manifest)
    text += StrCat(sha256, "  ", name, "\n");
  return text;
}

Result<Manifest> DecodeManifest(std::string_view text) {
  Manifest manifest;
  std::string_view line;
  while (NextLine(&text, &line)) {
    const std::string_view sha256 = line.substr(0, 64);
    std::string_view name = line.substr(sha256.size());
    if (!IsSha256Hex(sha256) || !ConsumePrefix(&name, "  ") ||
        (name != kMetaFile && !CheckArtifactName(name).ok()) ||
        !manifest.emplace(name, sha256).second) {
      return DataLoss(StrCat(kManifestFile, ": \"",
                             ToValidUtf8(line.substr(0, 200)),
                             "\" is no line of a manifest"));
    }
  }
  return manifest;
}

}  // namespace fodc::evidence
