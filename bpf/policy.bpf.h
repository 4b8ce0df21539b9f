/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the targets advise the page cache with fadvise64; failed calls count too.
 * A part of the gate (gate.bpf.c), on tp_btf/sys_enter.
 */
#ifndef FODC_POLICY_BPF_H
#define FODC_POLICY_BPF_H

#include "calls.bpf.h"

#define ADVICE_DONTNEED 4

const volatile bool has_policy = false;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_policy_stats);
} policy_stats SEC(".maps");

/* fadvise64(fd, offset, length, advice): a length of 0 is "to the end". */
static __always_inline __u64 advised_bytes(struct pt_regs *regs)
{
	__s64 offset = regs->si, length = regs->dx;
	struct inode *inode;
	__s64 size;

	if (length)
		return length > 0 ? length : 0;
	inode = inode_of(bpf_get_current_task_btf(), regs->di);
	if (!inode)
		return 0;
	size = has_rdonly_cast ? inode->i_size : BPF_CORE_READ(inode, i_size);
	return size > offset ? size - offset : 0;
}

static __always_inline void policy_enter(struct fodc_who *w, struct pt_regs *regs)
{
	__u32 slot = w->slot - 1;
	struct fodc_policy_stats *s = bpf_map_lookup_elem(&policy_stats, &slot);
	__u32 advice = regs->r10;

	if (!s)
		return;
	fodc_add(s->calls, 1);
	if (advice < FODC_ADVICES)
		fodc_add(s->by_advice[advice], 1);
	if (advice == ADVICE_DONTNEED)
		fodc_add(s->dontneed_bytes, advised_bytes(regs));
}

#endif /* FODC_POLICY_BPF_H */
