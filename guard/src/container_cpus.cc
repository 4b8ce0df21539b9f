// SPDX-License-Identifier: Apache-2.0
#include "container_cpus.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/guard/slots.h"

namespace fodc::guard {
namespace {

constexpr double kLeastCpus = 0.01;

// By affinity: a container may have been given a set of CPUs, not a quota.
double MachineCpus() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    return std::max(CPU_COUNT(&set), 1);
  }
  return std::max(std::thread::hardware_concurrency(), 1u);
}

}  // namespace

double ContainerCpus(std::string_view proc_root, std::string_view sys_root,
                     double machine_cpus) {
  double cpus = machine_cpus;
  Result<CgroupPlace> place = FindCgroup(proc_root, ::getpid(), sys_root);
  if (place.ok()) {
    const Result<CgroupCpu> cpu = CgroupReader(*std::move(place)).ReadCpu();
    if (cpu.ok() && cpu->limit_cpus) cpus = std::min(cpus, *cpu->limit_cpus);
  }
  return std::max(cpus, kLeastCpus);
}

double ContainerCpus() noexcept {
  const double machine_cpus = MachineCpus();
  try {
    return ContainerCpus("/proc", "", machine_cpus);
  } catch (...) {
    return machine_cpus;  // without memory to look
  }
}

}  // namespace fodc::guard
