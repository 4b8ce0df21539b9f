/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long write, pwrite64, writev, pwritev and pwritev2 of the targets take,
 * what they move and how they fail, by kind of file; and fsync, fdatasync and
 * sync_file_range.
 * A part of the gate (gate.bpf.c), on tp_btf/sys_enter and sys_exit.
 * Does not see: io_uring, mmap and msync, splice, sendfile; send and its kin.
 * Loss: counted in `losses`.
 */
#ifndef FODC_WRITE_BPF_H
#define FODC_WRITE_BPF_H

#include "calls.bpf.h"

const volatile bool has_write = false;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_write_stats);
} write_stats SEC(".maps");

static __always_inline __u8 write_call_of(long nr)
{
	return nr == NR_fsync		  ? FODC_WRITE_FSYNC
	       : nr == NR_fdatasync	  ? FODC_WRITE_FDATASYNC
	       : nr == NR_sync_file_range ? FODC_WRITE_RANGE
					  : FODC_WRITE_DATA;
}

static __always_inline void write_enter(struct fodc_who *w, const struct fodc_filter *f,
					struct pt_regs *regs, long nr)
{
	begin_call(w, f, FODC_CALLS_WRITE, write_call_of(nr), regs->di);
}

static __always_inline void write_exit(struct fodc_who *w, const struct fodc_filter *f, long nr,
				       long ret)
{
	struct fodc_call c = {};
	__u64 weight = 1;
	__u32 slot = w->slot - 1;

	if (!end_call(w, f, FODC_CALLS_WRITE, &c, &weight) && !(ret < 0 && sample_log(f, slot)))
		return;
	struct fodc_write_stats *s = bpf_map_lookup_elem(&write_stats, &slot);

	if (!s)
		return;
	__u64 call = write_call_of(nr), kind = c.kind;

	fodc_opaque(call);
	fodc_opaque(kind);
	if (ret < 0) {
		fail(call == FODC_WRITE_DATA ? s->failures : s->sync_failures, ret);
	} else if (call >= FODC_WRITE_FSYNC && call <= FODC_WRITE_RANGE) {
		observe(&s->syncs[call - FODC_WRITE_FSYNC], c.start_ns, weight);
	} else if (kind < FODC_KINDS) {
		observe(&s->kinds[kind].latency, c.start_ns, weight);
		fodc_add(s->kinds[kind].bytes, ret * weight);
	}
}

#endif /* FODC_WRITE_BPF_H */
