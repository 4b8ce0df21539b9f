// SPDX-License-Identifier: Apache-2.0
// The agent's command line.
#pragma once

#include "fodc/agent/options.h"
#include "fodc/program/flags.h"

namespace fodc::agent {

// Declares every flag; `*options` gets the values and, for those whose rules
// depend on it, whether they were given (after Resolve).
void AddFlags(program::Flags* flags, Options* options);

// After Parse: fills in what depends on which flags were given.
void Resolve(const program::Flags& flags, Options* options);

// The flags of Go's agent that were given but rule nothing yet, without "--".
std::vector<std::string> FlagsWithoutEffect(const program::Flags& flags);

}  // namespace fodc::agent
