// SPDX-License-Identifier: Apache-2.0
// Any bytes to each parser of kernel text; the first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fodc/base/cgroup.h"
#include "fodc/base/proc.h"
#include "fodc/base/psi.h"

namespace fodc {
namespace {

void Parse(unsigned which, std::string_view text) {
  CgroupMemory memory;
  CgroupCpu cpu;
  ProcessStat stat;
  switch (which % 12) {
    case 0:
      ParseProcessStat(text, &stat).IgnoreError();
      break;
    case 1:
      (void)ParseProcessStatus(text).ok();
      (void)ParseEffectiveCapabilities(text).ok();
      (void)ParseProcessSignals(text).ok();
      break;
    case 2:
      (void)ParseProcessIo(text).ok();
      break;
    case 3:
      (void)ParseMaxOpenFiles(text).ok();
      break;
    case 4: {
      std::vector<ListeningSocket> sockets;
      (void)ParseListeningSockets(text, text.size() % 2 == 0, &sockets);
      break;
    }
    case 5:
      for (const CgroupMembership& m : ParseCgroupMemberships(text)) {
        for (const char* root : {"/a", "/", "/../.."}) {
          const CgroupMount mount{
              .is_v2 = true, .controllers = {}, .root = root, .mount = "/m"};
          const auto path = ResolveCgroupPath(mount, m.path);
          // Nothing ever leads out of the mount.
          FODC_CHECK(!path || (path->starts_with("/m") &&
                               path->find("/../") == std::string::npos &&
                               !path->ends_with("/..")));
        }
      }
      break;
    case 6:
      (void)ParseCgroupMounts(text);
      break;
    case 7:
      ParseMemoryStatV2(text, &memory).IgnoreError();
      ParseMemoryStatV1(text, &memory).IgnoreError();
      break;
    case 8:
      ParseMemoryEventsV2(text, &memory).IgnoreError();
      ParseOomControlV1(text, &memory).IgnoreError();
      break;
    case 9:
      ParseCpuStatV2(text, &cpu).IgnoreError();
      ParseCpuStatV1(text, &cpu).IgnoreError();
      (void)ParseCpuMax(text).ok();
      break;
    case 10:
      (void)ParsePressure(text).ok();
      break;
    default:
      (void)ParseMemoryLimit(text).ok();
      (void)ParseBootTime(text).ok();
      (void)ParseUptimeSeconds(text).ok();
      (void)ParseSocketLink(text);
  }
}

}  // namespace
}  // namespace fodc

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size > 0) {
    fodc::Parse(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
