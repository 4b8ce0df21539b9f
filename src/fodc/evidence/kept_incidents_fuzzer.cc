// SPDX-License-Identifier: Apache-2.0
// The file of an agent's incidents, with any bytes in it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/kept_text.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/kept_incidents.h"

namespace {

std::string Encode(const fodc::evidence::KeptIncidents& kept) {
  std::vector<fodc::evidence::IncidentRef> refs;
  refs.reserve(kept.incidents.size());
  for (const auto& i : kept.incidents)
    refs.push_back(std::make_shared<const fodc::evidence::Incident>(i));
  return fodc::evidence::EncodeIncidents(kept.pod, refs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)fodc::evidence::DecodeIncidents(text);
  // With a right checksum, so that the lines are read.
  const auto kept = fodc::evidence::DecodeIncidents(
      fodc::SealText("fodc-incidents 1\n", fodc::StrCat(text, "\n")));
  if (!kept.ok()) return 0;
  const auto same = fodc::evidence::DecodeIncidents(Encode(*kept));
  FODC_CHECK(same.ok());
  FODC_CHECK(same->pod == kept->pod);
  FODC_CHECK(same->incidents == kept->incidents);
  return 0;
}
