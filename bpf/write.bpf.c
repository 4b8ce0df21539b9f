// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long write, pwrite64, writev, pwritev and pwritev2 of the targets take,
 * what they move and how they fail, by kind of file; and fsync, fdatasync and
 * sync_file_range.
 * Reached through the gate (gate.bpf.c) from tp_btf/sys_enter and sys_exit.
 * Does not see: io_uring, mmap and msync, splice, sendfile; send and its kin.
 * Loss: counted in `losses`.
 */
#include "calls.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_write_stats);
} write_stats SEC(".maps");

static __always_inline __u8 call_of_nr(long nr)
{
	return nr == NR_fsync ? FODC_WRITE_FSYNC :
	       nr == NR_fdatasync ? FODC_WRITE_FDATASYNC :
	       nr == NR_sync_file_range ? FODC_WRITE_RANGE :
					  FODC_WRITE_DATA;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(write_enter, struct pt_regs *regs, long nr)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);

	if (w)
		begin_call(w, f, FODC_CALLS_WRITE, call_of_nr(nr), regs->di);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(write_exit, struct pt_regs *regs, long ret)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);
	struct fodc_call c = {};
	__u64 weight = 1;

	if (!w)
		return 0;
	__u32 slot = w->slot - 1;
	bool timed = end_call(w, f, FODC_CALLS_WRITE, &c, &weight);
	bool sampled = slot < FODC_MAX_TARGETS && f->sample_mask[slot];

	if (!timed && !(sampled && ret < 0))
		return 0;
	struct fodc_write_stats *s = bpf_map_lookup_elem(&write_stats, &slot);

	if (!s)
		return 0;
	__u64 call = timed ? c.call : call_of_nr(regs->orig_ax), kind = c.kind;

	fodc_opaque(call);
	fodc_opaque(kind);

	if (ret < 0) {
		fail(call == FODC_WRITE_DATA ? s->failures : s->sync_failures, ret);
		return 0;
	}
	if (call >= FODC_WRITE_FSYNC && call <= FODC_WRITE_RANGE) {
		observe(&s->syncs[call - FODC_WRITE_FSYNC], c.start_ns, weight);
	} else if (kind < FODC_KINDS) {
		observe(&s->kinds[kind].latency, c.start_ns, weight);
		s->kinds[kind].bytes += ret * weight;
	}
	return 0;
}
