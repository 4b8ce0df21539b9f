// SPDX-License-Identifier: Apache-2.0
// Which programs there are, and where each belongs.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "fodc/kernel/reading.h"

namespace fodc::kernel {

struct ProgramSpec {
  std::string_view name;        // in bpf/<stem>.bpf.c
  std::string_view tracepoint;  // empty: an iterator, run by user space
  std::string_view needs = {};  // of no use without this one of its object
};

// A family with an object of its own, or a part of the gate: then it has no
// programs but needs some of the gate's, and a constant has it in or out.
struct ObjectSpec {
  std::string_view stem;
  // In the order to attach: what ends a pair first, so that what begins one
  // finds its end.
  std::span<const ProgramSpec> programs;
  std::string_view stats_map;   // one record a target on each CPU
  std::size_t stats_words = 0;  // of 8 bytes, in one record
  std::span<const std::string_view> gate_programs = {};
  std::string_view constant = {};
};

inline bool IsPart(const ObjectSpec& spec) { return !spec.constant.empty(); }

// Of the gate, which all families need.
const ObjectSpec& GateObject();
const ObjectSpec& ObjectOf(Family family);
// Whether a part of the gate needs the program.
bool NeedsOfGate(Family part, std::string_view program);

}  // namespace fodc::kernel
