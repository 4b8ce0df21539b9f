// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The gate: the only programs on the hooks that every task of the machine runs
 * through. They keep whom each CPU runs, and jump into the family that wants to
 * know, if it is a target's task and the family is there.
 * Hooks: tp_btf/sys_enter, sys_exit, sched_switch, cgroup_attach_task.
 * Needs: BTF, Linux 5.16.
 * Does not see: calls of 32-bit programs.
 * Cost for others: the hooks, and two lookups in arrays at each call; finding
 * the cgroup at each switch.
 */
#include "calls.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Filled by the loader with the families' programs; what is empty is off. One
 * map for each hook: programs in one must be of one hook. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, FODC_CALLS_COUNT);
	__type(key, __u32);
	__type(value, __u32);
} enter_calls SEC(".maps"), exit_calls SEC(".maps"), switches SEC(".maps");

SEC("?tp_btf/sys_enter")
int BPF_PROG(gate_enter, struct pt_regs *regs, long nr)
{
	struct fodc_filter *f;

	if (!current_target(&f) || regs->cs == USER32_CS)
		return 0;
	/* Constant indexes make direct jumps of them. */
	switch (calls_of(nr)) {
	case FODC_CALLS_READ:
		bpf_tail_call_static(ctx, &enter_calls, FODC_CALLS_READ);
		break;
	case FODC_CALLS_WRITE:
		bpf_tail_call_static(ctx, &enter_calls, FODC_CALLS_WRITE);
		break;
	case FODC_CALLS_POLICY:
		bpf_tail_call_static(ctx, &enter_calls, FODC_CALLS_POLICY);
		break;
	}
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(gate_exit, struct pt_regs *regs, long ret)
{
	struct fodc_filter *f;

	if (!current_target(&f) || regs->cs == USER32_CS)
		return 0;
	switch (calls_of(regs->orig_ax)) {
	case FODC_CALLS_READ:
		bpf_tail_call_static(ctx, &exit_calls, FODC_CALLS_READ);
		break;
	case FODC_CALLS_WRITE:
		bpf_tail_call_static(ctx, &exit_calls, FODC_CALLS_WRITE);
		break;
	}
	return 0;
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(gate_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 zero = 0;
	struct fodc_filter *f = bpf_map_lookup_elem(&filter, &zero);
	struct fodc_who *w = bpf_map_lookup_elem(&who, &zero);

	if (!f || !w)
		return 0;
	/* The epoch first: a filter that changes meanwhile is of a later one. */
	w->epoch = *(volatile __u32 *)&f->epoch;
	w->slot = slot_of(next, f);
	w->tid = next->pid;
	if (w->slot)
		bpf_tail_call_static(ctx, &switches, 0);
	return 0;
}

/* A process that is moved may be running. */
SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(gate_attach)
{
	struct fodc_filter *f = the_filter();

	if (f)
		__sync_fetch_and_add(&f->epoch, 1);
	return 0;
}
