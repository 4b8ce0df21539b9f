// SPDX-License-Identifier: Apache-2.0
// Which programs there are, and where each belongs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "fodc/kernel/reading.h"

namespace fodc::kernel {

// How a program is reached.
enum class Hook : std::uint8_t {
  kTracepoint,  // attached to it
  kGate,        // jumped to by the gate, which is: a slot of one of its maps
  kIterator,    // run by user space
};

struct ProgramSpec {
  std::string_view name;        // in bpf/<stem>.bpf.c
  std::string_view tracepoint;  // empty: none is needed
  Hook hook = Hook::kTracepoint;
  std::string_view needs = {};  // of no use without this one of its object
  std::string_view gate_map = {};
  std::uint32_t gate_slot = 0;
};

struct ObjectSpec {
  std::string_view stem;
  // In the order to attach: what ends a pair first, so that what begins one
  // finds its end.
  std::span<const ProgramSpec> programs;
  std::string_view stats_map;   // one record a target on each CPU; or empty
  std::size_t stats_words = 0;  // of 8 bytes, in one record
};

// Of the gate, which all families need.
const ObjectSpec& GateObject();
const ObjectSpec& ObjectOf(Family family);

}  // namespace fodc::kernel
