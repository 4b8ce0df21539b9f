// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/features.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

// Of "HOST:PORT", which was checked.
bool IsLowPort(std::string_view address) {
  const auto port = ParseUint(address.substr(address.rfind(':') + 1));
  return port && *port > 0 && *port < 1024;
}

// Whether the directory, or what it will be made in, is another user's.
bool BelongsToAnother(std::string path) {
  if (path.empty()) return false;
  struct stat s {};
  while (::stat(path.c_str(), &s) != 0) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos)
      path = ".";
    else if (slash == 0)
      path = "/";
    else
      path.resize(slash);
  }
  return s.st_uid != ::geteuid();
}

}  // namespace

bool WantsKernelTelemetry(const Options& options, const Checked& checked) {
  return checked.ktm != KtmMode::kOff && options.ktm_interval.count() > 0;
}

CapabilityFeatures FeaturesOf(const Options& options, const Checked& checked) {
  CapabilityFeatures f;
  f.kernel_telemetry = WantsKernelTelemetry(options, checked);
  f.targets = true;
  f.guardian = options.guardian.enabled;
  f.low_ports = IsLowPort(options.prometheus_listen_addr) ||
                IsLowPort(options.diagnosis_listen_addr);
  f.foreign_files = BelongsToAnother(options.recorder_dir);
  return f;
}

}  // namespace fodc::agent
