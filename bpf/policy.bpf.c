// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the targets advise the page cache with fadvise64.
 * Reached through the gate (gate.bpf.c) from tp_btf/sys_enter: failed calls
 * count too.
 */
#include "calls.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ADVICE_DONTNEED 4

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_policy_stats);
} policy_stats SEC(".maps");

/* fadvise64(fd, offset, length, advice): a length of 0 is "to the end". */
static __always_inline __u64 bytes_of(struct pt_regs *regs)
{
	__s64 offset = regs->si, length = regs->dx;
	struct inode *inode;
	__s64 size;

	if (length)
		return length > 0 ? length : 0;
	inode = inode_of(regs->di);
	if (!inode)
		return 0;
	size = has_rdonly_cast ? inode->i_size : BPF_CORE_READ(inode, i_size);
	return size > offset ? size - offset : 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(policy_enter, struct pt_regs *regs, long nr)
{
	__u32 slot = current_slot() - 1;
	struct fodc_policy_stats *s = bpf_map_lookup_elem(&policy_stats, &slot);
	__u32 advice = regs->r10;

	if (!s)
		return 0;
	s->calls++;
	if (advice < FODC_ADVICES)
		s->by_advice[advice]++;
	if (advice == ADVICE_DONTNEED)
		s->dontneed_bytes += bytes_of(regs);
	return 0;
}
