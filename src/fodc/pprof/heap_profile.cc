// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/heap_profile.h"

#include <array>
#include <cmath>
#include <limits>

namespace fodc::pprof {
namespace {

constexpr std::array kHeapTypes = {
    ValueTypeName{"alloc_objects", "count"},
    ValueTypeName{"alloc_space", "bytes"},
    ValueTypeName{"inuse_objects", "count"},
    ValueTypeName{"inuse_space", "bytes"},
};

std::int64_t ToSigned(std::uint64_t value) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(value < kMax ? value : kMax);
}

std::uint64_t Scaled(std::uint64_t value, double by) {
  const double scaled = std::round(static_cast<double>(value) * by);
  constexpr double kMax = 9.2e18;  // fits an int64 as well
  return scaled < kMax ? static_cast<std::uint64_t>(scaled)
                       : static_cast<std::uint64_t>(kMax);
}

}  // namespace

ObjectsAndBytes Unsample(const ObjectsAndBytes& sampled,
                         std::uint64_t interval_bytes) {
  if (sampled.objects == 0 || sampled.bytes == 0 || interval_bytes <= 1) {
    return sampled;
  }
  const double mean =
      static_cast<double>(sampled.bytes) / static_cast<double>(sampled.objects);
  const double by =
      -1 / std::expm1(-mean / static_cast<double>(interval_bytes));
  return {Scaled(sampled.objects, by), Scaled(sampled.bytes, by)};
}

Result<std::unique_ptr<HeapProfileWriter>> HeapProfileWriter::Create(
    const HeapProfileHead& head, Sink sink) {
  ProfileHead all;
  all.sample_types = kHeapTypes;
  all.default_sample_type = "inuse_space";
  all.period_type = {"space", "bytes"};
  all.period = ToSigned(head.sample_interval_bytes);
  all.time = head.time;
  all.mappings = head.mappings;
  all.comments = head.comments;
  FODC_ASSIGN_OR_RETURN(std::unique_ptr<ProfileWriter> writer,
                        ProfileWriter::Create(all, std::move(sink)));
  return std::unique_ptr<HeapProfileWriter>(
      new HeapProfileWriter(std::move(writer)));
}

Status HeapProfileWriter::Add(std::span<const std::uint64_t> stack,
                              const HeapCounts& counts) {
  call_sites_.clear();
  for (const std::uint64_t address : stack) {
    call_sites_.push_back(CallSite(address));
  }
  const std::int64_t values[] = {
      ToSigned(counts.alloc_objects), ToSigned(counts.alloc_bytes),
      ToSigned(counts.inuse_objects), ToSigned(counts.inuse_bytes)};
  return writer_->Add(call_sites_, values);
}

}  // namespace fodc::pprof
