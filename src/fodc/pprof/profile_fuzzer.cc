// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>

#include "fodc/pprof/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using fodc::pprof::Profile;
  fodc::pprof::ProfileLimits limits;
  limits.bytes = 1 << 20;
  const auto p = fodc::pprof::ReadProfile(
      std::string(reinterpret_cast<const char*>(data), size), limits);
  if (!p.ok()) return 0;
  // Whatever is let in refers to what is there.
  std::size_t bytes = 0;
  fodc::pprof::SampleReader samples(*p);
  for (std::size_t i = 0; i < p->sample_count(); ++i) {
    const auto sample = samples.Read(i);
    if (sample.values.size() != p->sample_types().size()) __builtin_trap();
    for (const std::uint32_t at : sample.locations) {
      if (at >= p->locations().size()) __builtin_trap();
    }
    for (const auto& label : samples.ReadLabels(i)) {
      bytes += p->Text(label.key).size() + p->Text(label.text).size() +
               p->Text(label.unit).size();
    }
  }
  for (const auto& location : p->locations()) {
    if (location.mapping != Profile::kNone &&
        location.mapping >= p->mappings().size()) {
      __builtin_trap();
    }
    for (const auto& line : p->Lines(location)) {
      if (line.function >= p->functions().size()) __builtin_trap();
    }
  }
  for (const auto& f : p->functions()) {
    bytes += p->Text(f.name).size() + p->Text(f.system_name).size() +
             p->Text(f.path).size();
  }
  return bytes == ~std::size_t{0} ? 1 : 0;
}
