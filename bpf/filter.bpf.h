/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a task is a target's, and which one's. Asked first in each program.
 * The pointers of a task are followed once each time that a CPU is seen to run
 * another one; what was found is kept for that CPU. It is void when the filter
 * changes, a task moves to another group, or one dies whose memory another may
 * get (gate.bpf.c).
 */
#ifndef FODC_FILTER_BPF_H
#define FODC_FILTER_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "elapsed.h"
#include "records.h"

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_filter);
} filter SEC(".maps");

/* By process id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FODC_MAX_THREAD_GROUPS);
	__type(key, __u32);
	__type(value, struct fodc_thread_group);
} thread_groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_who);
} who SEC(".maps");

/* The loader makes it, and every map of one record for each target, as large
 * as there may be targets. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_loss_stats);
} losses SEC(".maps");

/* Since Linux 6.2: makes any address a pointer that may be read through, at no
 * cost. Without it each step is a call of bpf_probe_read_kernel. */
const volatile bool has_rdonly_cast = false;
extern void *bpf_rdonly_cast(const void *address, __u32 type_id) __ksym __weak;
#define fodc_cast(address, type)                                                                   \
	((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

/* Newer kernels may preempt a program; another run on the same CPU then adds to
 * the same record. */
#define fodc_add(counter, number) ((void)__sync_fetch_and_add(&(counter), (number)))

static __always_inline void lose(__u32 slot, __u32 why)
{
	struct fodc_loss_stats *s = bpf_map_lookup_elem(&losses, &slot);

	if (s && why < FODC_LOSSES)
		fodc_add(s->lost[why], 1);
}

/* Apart, so that the compiler leaves the field's offset where it is asked for:
 * newer kernels do not have the field. */
static __noinline __u64 ancestor_id_before_6_1(__u64 group, __u32 level)
{
	struct cgroup___before_6_1 *c = (void *)group;
	__u64 id = 0;

	if (bpf_core_read(&id, sizeof(id), &c->ancestor_ids[level]))
		return 0;
	return id;
}

/* Off the hot path: as ancestor_id, of an address. */
static __always_inline __u64 ancestor_id_anywhere(__u64 group, __u32 level)
{
	struct cgroup *c = (void *)group, *ancestor = NULL;

	if (!bpf_core_field_exists(c->ancestors))
		return ancestor_id_before_6_1(group, level);
	if (bpf_core_read(&ancestor, sizeof(ancestor), &c->ancestors[level]))
		return 0;
	return BPF_CORE_READ(ancestor, kn, id);
}

static __always_inline __u64 ancestor_id(struct cgroup *c, __u32 level)
{
	if (!bpf_core_field_exists(c->ancestors))
		return ancestor_id_before_6_1((__u64)c, level);
	void *at = &c->ancestors[level];

	/* A pointer to a pointer cannot be followed; a structure whose first
	 * field is that pointer can. */
	if (has_rdonly_cast)
		return fodc_cast(at, struct cgroup_subsys_state)->cgroup->kn->id;
	struct cgroup *ancestor = NULL;

	if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor), at))
		return 0;
	return BPF_CORE_READ(ancestor, kn, id);
}

/* At which level of the group's ancestors, itself included, the id is found;
 * FODC_LEVEL_UNKNOWN if at none. */
__noinline __u32 level_of(__u64 group, __u32 group_level, __u64 id)
{
	for (__u32 level = 0; level < FODC_MAX_LEVELS; level++) {
		if (level > group_level)
			break;
		if (ancestor_id_anywhere(group, level) == id)
			return level;
	}
	return FODC_LEVEL_UNKNOWN;
}

static __always_inline struct fodc_thread_group *thread_group_of(struct task_struct *task)
{
	__u32 tgid = task->tgid;

	return bpf_map_lookup_elem(&thread_groups, &tgid);
}

/* The slot of the task's target, plus 1; 0 if it is nobody's. */
static __always_inline __u32 slot_of(struct task_struct *task, struct fodc_filter *f)
{
	struct cgroup *c = task->cgroups->dfl_cgrp;
	__u32 level = c->level;

	for (int i = 0; i < FODC_MAX_TARGETS; i++) {
		struct fodc_cgroup *wanted = &f->cgroups[i];
		__u32 at = wanted->level;

		if (i >= f->cgroup_count)
			break;
		if (at == FODC_LEVEL_UNKNOWN) {
			/* Read anew: a number, not a pointer, for a function
			 * that is verified by itself. */
			at = level_of((__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp), level,
				      wanted->id);
			if (at != FODC_LEVEL_UNKNOWN)
				wanted->level = at;
		}
		if (at <= level && at < FODC_MAX_LEVELS && ancestor_id(c, at) == wanted->id)
			return wanted->slot + 1;
	}
	if (f->by_thread_group) {
		struct fodc_thread_group *group = thread_group_of(task);

		/* Its last threads may end at once. */
		if (group && (!group->died_ns || group->died_ns == task->group_leader->start_time))
			return group->slot;
	}
	return 0;
}

static __always_inline struct fodc_filter *the_filter(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&filter, &zero);
}

static __always_inline void learn(struct fodc_who *w, struct fodc_filter *f, __u32 epoch,
				  __u64 regs)
{
	struct task_struct *task = bpf_get_current_task_btf();

	w->slot = slot_of(task, f);
	w->tid = task->pid;
	w->task = (__u64)task;
	w->regs = regs;
	w->epoch = epoch;
}

/* Whom this CPU runs, asked for in a system call; NULL unless that is a
 * target's task. The place of its registers names the task, at no cost. */
static __always_inline struct fodc_who *target_of_call(struct pt_regs *regs,
						       struct fodc_filter **out)
{
	__u32 zero = 0;
	struct fodc_filter *f = bpf_map_lookup_elem(&filter, &zero);
	struct fodc_who *w = bpf_map_lookup_elem(&who, &zero);

	if (!f || !w)
		return NULL;
	__u32 epoch = *(volatile __u32 *)&f->epoch;

	if (w->epoch != epoch || w->regs != (__u64)regs)
		learn(w, f, epoch, (__u64)regs);
	*out = f;
	return w->slot ? w : NULL;
}

/* The same, asked for anywhere else. */
static __always_inline struct fodc_who *current_target(struct fodc_filter **out)
{
	__u32 zero = 0;
	struct fodc_filter *f = bpf_map_lookup_elem(&filter, &zero);
	struct fodc_who *w = bpf_map_lookup_elem(&who, &zero);

	if (!f || !w)
		return NULL;
	__u32 epoch = *(volatile __u32 *)&f->epoch;

	if (w->epoch != epoch || w->task != (__u64)bpf_get_current_task_btf())
		learn(w, f, epoch, 0);
	*out = f;
	return w->slot ? w : NULL;
}

/* The slot of the current task's target, plus 1. */
static __always_inline __u32 current_slot(void)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);

	return w ? w->slot : 0;
}

/* Hides from the compiler what it knows of a number, lest it drops or splits
 * the test of a bound that the verifier wants to see. */
#define fodc_opaque(number) asm volatile("" : "+r"(number))

static __always_inline void observe(struct fodc_histogram *h, __u64 ns, __u64 weight)
{
	__u64 slot = fodc_histogram_slot(ns);

	fodc_opaque(slot);
	if (slot < FODC_HISTOGRAM_SLOTS)
		fodc_add(h->slots[slot], weight);
	fodc_add(h->sum_ns, ns * weight);
}

#endif /* FODC_FILTER_BPF_H */
