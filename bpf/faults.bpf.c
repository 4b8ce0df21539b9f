// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Page faults of the targets, as the kernel counts them for each task: a probe
 * on each fault would be dearer, and could not tell major from minor.
 * Hooks: tp_btf/sched_process_exit for tasks that die; iter/task, run at each
 * collection, for those that live. Needs BTF, Linux 5.16.
 * Cost: nothing at a fault; some hundred nanoseconds a task at each collection.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_EXITING 0x00000004 /* include/linux/sched.h */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_fault_stats);
} dead_faults SEC(".maps");

/* User space sets it to zero before each run of the iterator. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_fault_stats);
} living_faults SEC(".maps");

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(faults_exit, struct task_struct *task)
{
	struct fodc_filter *f = the_filter();

	if (!f)
		return 0;
	__u32 slot = slot_of(task, f) - 1;
	struct fodc_fault_stats *s = bpf_map_lookup_elem(&dead_faults, &slot);

	if (s) {
		fodc_add(s->major, task->maj_flt);
		fodc_add(s->minor, task->min_flt);
	}
	return 0;
}

SEC("?iter/task")
int faults_living(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct fodc_filter *f = the_filter();

	/* One that exits is, or will be, among the dead. */
	if (!task || !f || task->flags & PF_EXITING)
		return 0;
	__u32 slot = slot_of(task, f) - 1;
	struct fodc_fault_stats *s = bpf_map_lookup_elem(&living_faults, &slot);

	if (s) {
		fodc_add(s->major, task->maj_flt);
		fodc_add(s->minor, task->min_flt);
	}
	return 0;
}
