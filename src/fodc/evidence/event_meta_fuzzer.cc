// SPDX-License-Identifier: Apache-2.0
// The meta.json of an event, with any bytes in it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_meta.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (fodc::evidence::ParseEventId(text).ok())
    FODC_CHECK(fodc::evidence::CheckArtifactName(text).ok());
  const auto meta = fodc::evidence::DecodeEventMeta(text);
  if (!meta.ok()) return 0;
  for (const std::string& name : fodc::evidence::EventFiles(*meta))
    FODC_CHECK(fodc::evidence::CheckArtifactName(name).ok());
  const std::string written = fodc::evidence::EncodeEventMeta(*meta);
  // It may be longer than what was read, for numbers and escapes.
  if (written.size() > fodc::evidence::kMaxMetaBytes) return 0;
  const auto same = fodc::evidence::DecodeEventMeta(written);
  FODC_CHECK(same.ok());
  FODC_CHECK(*same == *meta);
  return 0;
}
