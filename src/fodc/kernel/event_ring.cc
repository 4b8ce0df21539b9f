// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/event_ring.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "bpf/records.h"
#include "fodc/base/proc.h"
#include "fodc/kernel/bpf_log.h"

namespace fodc::kernel {

void EventRing::Free::operator()(ring_buffer* ring) const {
  ring_buffer__free(ring);
}

Result<EventRing> EventRing::Create(int map) {
  const BpfLog log;
  EventRing made;
  made.taken_ = std::make_unique<std::vector<KernelEvent>>();
  made.ring_.reset(ring_buffer__new(map, OnEvent, made.taken_.get(), nullptr));
  if (!made.ring_) return ErrnoStatus(errno, "open the ring of events");
  return made;
}

int EventRing::OnEvent(void* self, void* data, std::size_t size) {
  fodc_event from{};
  if (size < sizeof from) return 0;
  std::memcpy(&from, data, sizeof from);
  KernelEvent to;
  to.target = from.slot;
  to.at = MonotonicTime(std::chrono::nanoseconds(from.at_ns));
  to.pid = static_cast<pid_t>(from.tgid);
  to.start_ticks = BootTicksOf(std::chrono::nanoseconds(from.start_ns));
  to.comm.assign(from.comm, ::strnlen(from.comm, sizeof from.comm));
  to.age = std::chrono::nanoseconds(from.age_ns);
  if (from.kind == FODC_EVENT_OOM_VICTIM) {
    to.kind = KernelEvent::Kind::kOomVictim;
    to.anon_bytes = from.anon_pages * PageBytes();
    to.file_bytes = from.file_pages * PageBytes();
    to.shmem_bytes = from.shmem_pages * PageBytes();
  } else {
    to.kind = KernelEvent::Kind::kExitBySignal;
    to.signal = from.exit_code & 0x7f;
    to.core_dumped = (from.exit_code & 0x80) != 0;
  }
  static_cast<std::vector<KernelEvent>*>(self)->push_back(std::move(to));
  return 0;
}

void EventRing::Take(std::vector<KernelEvent>* events) {
  (void)ring_buffer__consume(ring_.get());
  events->insert(events->end(), std::make_move_iterator(taken_->begin()),
                 std::make_move_iterator(taken_->end()));
  taken_->clear();
}

}  // namespace fodc::kernel
