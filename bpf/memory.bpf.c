// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reclaim that the targets' tasks do themselves, and how long it stalls them;
 * and what kswapd does, for the whole machine.
 * Hooks: tp_btf/mm_vmscan_direct_reclaim_{begin,end}, mm_vmscan_memcg_reclaim_
 * {begin,end}, mm_vmscan_lru_shrink_inactive. Needs BTF, Linux 5.16.
 * Does not see: which target's pages kswapd took; active lists, slab.
 * Cost: two clock reads for each reclaim, nothing on the way of an allocation.
 * Loss: a reclaim that finds the map full is counted, its stall is in `losses`.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_KSWAPD 0x00020000 /* include/linux/sched.h */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_memory_stats);
} memory_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_kswapd_stats);
} kswapd_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FODC_MAX_STALLS);
	__type(key, __u32);
	__type(value, struct fodc_stall);
} stalls SEC(".maps");

static __always_inline struct fodc_memory_stats *begin_stall(void)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);

	if (!w)
		return NULL;
	__u32 slot = w->slot - 1, tid = w->tid;
	struct fodc_stall stall = {
		.start_ns = bpf_ktime_get_ns(),
		.slot = slot,
		.generation = f->generation,
	};

	if (bpf_map_update_elem(&stalls, &tid, &stall, BPF_ANY))
		lose(slot, FODC_LOST_MAP_FULL);
	return bpf_map_lookup_elem(&memory_stats, &slot);
}

/* The record of the target, and the length of what the current task ends. */
static __always_inline struct fodc_memory_stats *end_stall(__u64 *ns)
{
	struct fodc_filter *f;
	struct fodc_who *w = current_target(&f);

	if (!w)
		return NULL;
	__u32 slot = w->slot - 1, tid = w->tid;
	struct fodc_stall *stall = bpf_map_lookup_elem(&stalls, &tid);

	if (!stall)
		return NULL;
	bool of_now = stall->slot == slot && stall->generation == f->generation;

	*ns = fodc_elapsed(stall->start_ns, bpf_ktime_get_ns());
	bpf_map_delete_elem(&stalls, &tid);
	return of_now ? bpf_map_lookup_elem(&memory_stats, &slot) : NULL;
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(memory_direct_begin)
{
	struct fodc_memory_stats *s = begin_stall();

	if (s)
		fodc_add(s->direct_entries, 1);
	return 0;
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(memory_direct_end)
{
	__u64 ns;
	struct fodc_memory_stats *s = end_stall(&ns);

	if (s)
		fodc_add(s->direct_stall_ns, ns);
	return 0;
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(memory_memcg_begin)
{
	struct fodc_memory_stats *s = begin_stall();

	if (s)
		fodc_add(s->memcg_entries, 1);
	return 0;
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memory_memcg_end)
{
	__u64 ns;
	struct fodc_memory_stats *s = end_stall(&ns);

	if (s)
		fodc_add(s->memcg_stall_ns, ns);
	return 0;
}

SEC("?tp_btf/mm_vmscan_lru_shrink_inactive")
int BPF_PROG(memory_shrink, int nid, unsigned long scanned, unsigned long reclaimed)
{
	__u32 slot = current_slot();

	if (slot) {
		slot--;
		struct fodc_memory_stats *s = bpf_map_lookup_elem(&memory_stats, &slot);

		if (s) {
			fodc_add(s->scanned_pages, scanned);
			fodc_add(s->reclaimed_pages, reclaimed);
			fodc_add(s->shrink_events, 1);
		}
	} else if (bpf_get_current_task_btf()->flags & PF_KSWAPD) {
		struct fodc_kswapd_stats *s = bpf_map_lookup_elem(&kswapd_stats, &slot);

		if (s) {
			fodc_add(s->scanned_pages, scanned);
			fodc_add(s->reclaimed_pages, reclaimed);
		}
	}
	return 0;
}
