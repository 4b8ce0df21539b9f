// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/program_table.h"

#include <algorithm>
#include <array>

#include "bpf/records.h"

namespace fodc::kernel {
namespace {

constexpr ProgramSpec kGate[] = {
    {"gate_attach", "cgroup_attach_task"},
    {"gate_death", "sched_process_exit"},
    {"gate_exit", "sys_exit"},
    {"gate_enter", "sys_enter"},
};
constexpr std::string_view kBothEnds[] = {"gate_enter", "gate_exit"};
constexpr std::string_view kEnter[] = {"gate_enter"};
constexpr ProgramSpec kCache[] = {
    {"cache_add", "mm_filemap_add_to_page_cache"},
    {"cache_delete", "mm_filemap_delete_from_page_cache"},
    {"cache_look", "mm_filemap_get_pages"},
};
constexpr ProgramSpec kMemory[] = {
    {"memory_direct_end", "mm_vmscan_direct_reclaim_end",
     "memory_direct_begin"},
    {"memory_direct_begin", "mm_vmscan_direct_reclaim_begin",
     "memory_direct_end"},
    {"memory_memcg_end", "mm_vmscan_memcg_reclaim_end", "memory_memcg_begin"},
    {"memory_memcg_begin", "mm_vmscan_memcg_reclaim_begin", "memory_memcg_end"},
    {"memory_shrink", "mm_vmscan_lru_shrink_inactive"},
};
constexpr ProgramSpec kFaults[] = {
    {"faults_exit", "sched_process_exit", "faults_living"},
    {"faults_living", "", "faults_exit"},
};
constexpr ProgramSpec kBlock[] = {
    {"block_complete", "block_rq_complete", "block_issue"},
    {"block_issue", "block_rq_issue", "block_complete"},
    {"block_start", "block_io_start", "block_issue"},
};
constexpr ProgramSpec kSched[] = {
    {"sched_switched", "sched_switch"},
};
constexpr ProgramSpec kDeath[] = {
    {"death_oom", "mark_victim"},
    {"death_exit", "sched_process_exit"},
};

template <typename Stats>
constexpr ObjectSpec Object(std::string_view stem,
                            std::span<const ProgramSpec> programs,
                            std::string_view stats_map) {
  static_assert(sizeof(Stats) % sizeof(std::uint64_t) == 0);
  return {stem, programs, stats_map, sizeof(Stats) / sizeof(std::uint64_t)};
}

template <typename Stats>
constexpr ObjectSpec Part(std::string_view stem, std::string_view stats_map,
                          std::span<const std::string_view> gate_programs,
                          std::string_view constant) {
  ObjectSpec part = Object<Stats>(stem, {}, stats_map);
  part.gate_programs = gate_programs;
  part.constant = constant;
  return part;
}

constexpr ObjectSpec kGateObject =
    Object<fodc_loss_stats>("gate", kGate, "losses");
constexpr std::array<ObjectSpec, kFamilies> kObjects = {
    Part<fodc_read_stats>("read", "read_stats", kBothEnds, "has_read"),
    Part<fodc_write_stats>("write", "write_stats", kBothEnds, "has_write"),
    Object<fodc_cache_stats>("cache", kCache, "cache_stats"),
    Part<fodc_policy_stats>("policy", "policy_stats", kEnter, "has_policy"),
    Object<fodc_memory_stats>("memory", kMemory, "memory_stats"),
    Object<fodc_fault_stats>("faults", kFaults, "dead_faults"),
    Object<fodc_block_stats>("block", kBlock, "block_stats"),
    Object<fodc_sched_stats>("sched", kSched, "sched_stats"),
    Object<fodc_death_stats>("death", kDeath, "death_stats"),
};

}  // namespace

const ObjectSpec& GateObject() { return kGateObject; }

const ObjectSpec& ObjectOf(Family family) {
  return kObjects[static_cast<std::size_t>(family)];
}

bool NeedsOfGate(Family part, std::string_view program) {
  const auto needed = ObjectOf(part).gate_programs;
  return std::find(needed.begin(), needed.end(), program) != needed.end();
}

}  // namespace fodc::kernel
