/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long read, pread64, readv, preadv and preadv2 of the targets take, what
 * they move and how they fail; files apart from sockets, pipes and the rest.
 * A part of the gate (gate.bpf.c), on tp_btf/sys_enter and sys_exit.
 * Does not see: io_uring, mmap, splice; what a descriptor refers to, if another
 * thread closes it just when the call begins.
 * Loss: counted in `losses`.
 */
#ifndef FODC_READ_BPF_H
#define FODC_READ_BPF_H

#include "calls.bpf.h"

const volatile bool has_read = false;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_read_stats);
} read_stats SEC(".maps");

static __always_inline void read_enter(struct fodc_who *w, const struct fodc_filter *f,
				       struct pt_regs *regs, long nr)
{
	__u8 call = nr == NR_read      ? FODC_READ_READ
		    : nr == NR_pread64 ? FODC_READ_PREAD
				       : FODC_READ_VECTORED;

	begin_call(w, f, FODC_CALLS_READ, call, regs->di);
}

static __always_inline void read_exit(struct fodc_who *w, const struct fodc_filter *f, long ret)
{
	struct fodc_call c = {};
	__u64 weight = 1;
	__u32 slot = w->slot - 1;

	/* A failure of a call that was not timed counts too. */
	if (!end_call(w, f, FODC_CALLS_READ, &c, &weight) && !(ret < 0 && sample_log(f, slot)))
		return;
	struct fodc_read_stats *s = bpf_map_lookup_elem(&read_stats, &slot);

	if (!s)
		return;
	if (ret < 0) {
		fail(s->failures, ret);
		return;
	}
	__u64 call = c.call, kind = c.kind;

	fodc_opaque(call);
	fodc_opaque(kind);
	if (call < FODC_READS && kind < FODC_KINDS) {
		struct fodc_call_stats *stats = &s->calls[call][kind];

		observe(&stats->latency, c.start_ns, weight);
		fodc_add(stats->bytes, ret * weight);
	}
}

#endif /* FODC_READ_BPF_H */
