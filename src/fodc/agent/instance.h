// SPDX-License-Identifier: Apache-2.0
// Who this agent is, over its lives.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::agent {

// The host's name: what --pod-name is when it is not given. In Kubernetes that
// is the pod's name.
std::string HostName();

// Of writes of `name` that a crash cut (WriteFileAtomically).
void RemoveUnfinished(const std::string& directory, std::string_view name);

// Names the node's agent, the same over restarts: kept as "instance-id" in
// `recorder_dir`; without one (or if it cannot be kept there, which is logged)
// derived from the pod's name and the boot of the machine. Has the form of a
// UUID. Beside it stands the pod's name: one that another pod wrote is
// replaced, as is what is none (which is logged). Where `is_writable` is false,
// what is there is read, and nothing written or said.
std::string InstanceId(const std::string& recorder_dir, bool is_writable,
                       std::string_view pod_name, std::string_view boot_id);

// The pod whose agent wrote the "instance-id" in `recorder_dir`; empty if it
// does not say, or there is none.
std::string KeptPodName(const std::string& recorder_dir);

// Writes it, where it is not there yet.
Status KeepInstanceId(const std::string& recorder_dir, std::string_view id,
                      std::string_view pod_name);

// /proc/sys/kernel/random/boot_id; empty if it cannot be read.
std::string BootId();

// The name of this life: now, with the low bits random, and greater than every
// life before it (`newest_before`, 0 if none is known) even if the clock was
// set back meanwhile.
recorder::Incarnation NewIncarnation(const Clock& clock,
                                     recorder::Incarnation newest_before);

}  // namespace fodc::agent
