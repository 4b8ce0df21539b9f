// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long read, pread64, readv, preadv and preadv2 of the targets take, what
 * they move and how they fail; files apart from sockets, pipes and the rest.
 * Reached through the gate (gate.bpf.c) from tp_btf/sys_enter and sys_exit.
 * Does not see: io_uring, mmap, splice; what a descriptor refers to, if another
 * thread closes it just when the call begins.
 * Loss: counted in `losses`.
 */
#include "calls.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_read_stats);
} read_stats SEC(".maps");

static __always_inline __u8 call_of_nr(long nr)
{
	return nr == NR_read ? FODC_READ_READ :
	       nr == NR_pread64 ? FODC_READ_PREAD :
				  FODC_READ_VECTORED;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(read_enter, struct pt_regs *regs, long nr)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);

	if (w)
		begin_call(w, f, FODC_CALLS_READ, call_of_nr(nr), regs->di);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(read_exit, struct pt_regs *regs, long ret)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);
	struct fodc_call c = {};
	__u64 weight = 1;

	if (!w)
		return 0;
	__u32 slot = w->slot - 1;
	bool timed = end_call(w, f, FODC_CALLS_READ, &c, &weight);
	/* A failure of a call that was not timed counts too. */
	bool sampled = slot < FODC_MAX_TARGETS && f->sample_mask[slot];

	if (!timed && !(sampled && ret < 0))
		return 0;
	struct fodc_read_stats *s = bpf_map_lookup_elem(&read_stats, &slot);

	if (!s)
		return 0;
	if (ret < 0) {
		fail(s->failures, ret);
		return 0;
	}
	__u64 call = c.call, kind = c.kind;

	fodc_opaque(call);
	fodc_opaque(kind);
	if (call < FODC_READS && kind < FODC_KINDS) {
		struct fodc_call_stats *stats = &s->calls[call][kind];

		observe(&stats->latency, c.start_ns, weight);
		stats->bytes += ret * weight;
	}
	return 0;
}
