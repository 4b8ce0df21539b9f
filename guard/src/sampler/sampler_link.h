// SPDX-License-Identifier: Apache-2.0
// What the library knows of the sampler, if that is linked in.
#pragma once

// The descriptor of the sampler's table, or -1 while it does not sample: it is
// switched off, has not started, or this is a child after fork.
extern "C" int fodc_guard_sampler_table() noexcept;
