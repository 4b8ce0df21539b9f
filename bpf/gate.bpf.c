// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The gate: the only programs on the system calls of the machine, with the
 * families read, write and policy as parts that are in or out. Two more tell
 * when what is known of tasks is void. Its maps are shared with all families.
 * Hooks: tp_btf/sys_enter, sys_exit, cgroup_attach_task, sched_process_exit.
 * Needs: BTF, Linux 5.16.
 * Does not see: calls of 32-bit programs; that a thread has got the id of its
 * leader by execve, until its CPU has run another task.
 * Cost for others: the hooks, and two lookups in arrays at each call.
 */
#include "policy.bpf.h"
#include "read.bpf.h"
#include "write.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("?tp_btf/sys_enter")
int BPF_PROG(gate_enter, struct pt_regs *regs, long nr)
{
	struct fodc_filter *f;
	struct fodc_who *w = target_of_call(regs, &f);

	if (!w || regs->cs == USER32_CS)
		return 0;
	__u32 family = family_of(nr);

	if (has_read && family == FODC_CALLS_READ)
		read_enter(w, f, regs, nr);
	else if (has_write && family == FODC_CALLS_WRITE)
		write_enter(w, f, regs, nr);
	else if (has_policy && family == FODC_CALLS_POLICY)
		policy_enter(w, regs);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(gate_exit, struct pt_regs *regs, long ret)
{
	struct fodc_filter *f;
	struct fodc_who *w = target_of_call(regs, &f);

	if (!w || regs->cs == USER32_CS)
		return 0;
	long nr = regs->orig_ax;
	__u32 family = family_of(nr);

	if (has_read && family == FODC_CALLS_READ)
		read_exit(w, f, ret);
	else if (has_write && family == FODC_CALLS_WRITE)
		write_exit(w, f, nr, ret);
	return 0;
}

static __always_inline void forget(void)
{
	struct fodc_filter *f = the_filter();

	if (f)
		__sync_fetch_and_add(&f->epoch, 1);
}

/* A process that is moved may be running. What it began when it was a target's
 * the last time may have ended where nobody looked. */
SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(gate_attach, struct cgroup *group, const char *path, struct task_struct *task,
	     bool threadgroup)
{
	struct fodc_filter *f = the_filter();

	forget();
	if (!f || task->cgroups->dfl_cgrp != group || !slot_of(task, f))
		return 0;
	if (threadgroup && task->signal->nr_threads > 1) {
		__sync_fetch_and_add(&f->generation, 1);
		return 0;
	}
	struct fodc_call *c = call_of(task, task->pid);

	if (c)
		drop_call(c, f);
	return 0;
}

/* What names a task is free for another one soon. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(gate_death, struct task_struct *task)
{
	struct fodc_filter *f = the_filter();

	forget();
	if (!f || !f->by_thread_group || task->signal->live.counter)
		return 0;
	struct fodc_thread_group *group = thread_group_of(task);

	if (group && !group->died_ns)
		group->died_ns = task->group_leader->start_time;
	return 0;
}
