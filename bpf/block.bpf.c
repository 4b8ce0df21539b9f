// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the requests of the targets' tasks are with the device, and their
 * bytes. A request is the target's whose task made it.
 * Hooks: tp_btf/block_io_start (Linux 6.5; before it whoever issues counts as
 * maker), block_rq_issue, block_rq_complete. Needs BTF.
 * Does not see: what the kernel's own threads write back later; bios and requests
 * that merge into another's request count for its maker.
 * Cost: one lookup for each request of the machine.
 * Loss: a request that finds the map full is in `losses`.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_block_stats);
} block_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FODC_MAX_REQUESTS);
	__type(key, __u64);
	__type(value, struct fodc_request);
} requests SEC(".maps");

static __always_inline void make(struct request *rq, __u64 start_ns)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);
	__u64 key = (__u64)rq;

	if (!w) {
		/* One that merged into another ended without a word, and left what
		 * was known of it to whoever gets its place. */
		bpf_map_delete_elem(&requests, &key);
		return;
	}
	__u32 operation = rq->cmd_flags & 0xff; /* REQ_OP_MASK */
	struct fodc_request r = {
		.start_ns = start_ns,
		.generation = f->generation,
		.slot = w->slot - 1,
		.operation = operation < FODC_BLOCK_OTHER ? operation : FODC_BLOCK_OTHER,
	};

	if (bpf_map_update_elem(&requests, &key, &r, BPF_ANY))
		lose(w->slot - 1, FODC_LOST_MAP_FULL);
}

SEC("?tp_btf/block_io_start")
int BPF_PROG(block_start, struct request *rq)
{
	make(rq, 0);
	return 0;
}

SEC("?tp_btf/block_rq_issue")
int BPF_PROG(block_issue, struct request *rq)
{
	struct fodc_filter *f = the_filter();

	if (!f || !f->makers_are_told) {
		make(rq, bpf_ktime_get_ns());
		return 0;
	}
	__u64 key = (__u64)rq;
	struct fodc_request *r = bpf_map_lookup_elem(&requests, &key);

	if (r)
		r->start_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("?tp_btf/block_rq_complete")
int BPF_PROG(block_complete, struct request *rq, int error, unsigned int bytes)
{
	__u64 key = (__u64)rq;
	struct fodc_request *r = bpf_map_lookup_elem(&requests, &key);
	struct fodc_filter *f = the_filter();

	if (!r || !f)
		return 0;
	__u32 slot = r->slot;
	struct fodc_block_stats *s = bpf_map_lookup_elem(&block_stats, &slot);
	__u32 operation = r->operation;

	if (s && operation < FODC_BLOCK_OPERATIONS && r->generation == f->generation) {
		fodc_add(s->operations[operation].bytes, bytes);
		/* A request may complete in parts: it lasts until the last. */
		if (bytes < rq->__data_len)
			return 0;
		if (r->start_ns)
			observe(&s->operations[operation].latency,
				fodc_elapsed(r->start_ns, bpf_ktime_get_ns()), 1);
	}
	bpf_map_delete_elem(&requests, &key);
	return 0;
}
