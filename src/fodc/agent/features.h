// SPDX-License-Identifier: Apache-2.0
// Which features are switched on, as the agent and its doctor both take it.
#pragma once

#include "fodc/agent/capabilities.h"
#include "fodc/agent/options.h"

namespace fodc::agent {

// Whether programs are to be loaded, where that is permitted.
bool WantsKernelTelemetry(const Options& options, const Checked& checked);

// Looks at who owns --recorder-dir, or the directory that it will be made in.
CapabilityFeatures FeaturesOf(const Options& options, const Checked& checked);

}  // namespace fodc::agent
