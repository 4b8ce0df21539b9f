// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the targets' threads waited for a CPU each time they got one: the
 * kernel's own stamp of when it queued the thread, by its own clock.
 * Hooks: tp_btf/sched_switch. Needs: BTF, CONFIG_SCHED_INFO (SCHEDSTATS or
 * TASK_DELAY_ACCT) and CONFIG_FAIR_GROUP_SCHED, as all distributions have.
 * Does not see: the wait on a CPU that the thread was moved away from; a switch
 * that the kernel does not trace (some are not, seen on Linux 6.18).
 * Cost for others: finding the cgroup of the next task at each switch.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_sched_stats);
} sched_stats SEC(".maps");

SEC("?tp_btf/sched_switch")
int BPF_PROG(sched_switched, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct fodc_filter *f = the_filter();

	if (!f)
		return 0;
	__u32 slot = slot_of(next, f) - 1;
	struct fodc_sched_stats *s = bpf_map_lookup_elem(&sched_stats, &slot);

	if (!s)
		return 0;
	__u64 queued = next->sched_info.last_queued;
	/* The clock of the stamp: its run queue is this CPU's by now. */
	__u64 now = next->se.cfs_rq->rq->clock;

	/* Not stamped: it was queued before accounting began. */
	if (queued)
		observe(&s->run_queue_wait, fodc_elapsed(queued, now), 1);
	return 0;
}
