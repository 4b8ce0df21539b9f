// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the targets' tasks add to the page cache, take out of it and look for.
 * Hooks: tp_btf/mm_filemap_add_to_page_cache, mm_filemap_delete_from_page_cache,
 * and mm_filemap_get_pages, which few kernels have. Needs BTF, Linux 5.16.
 * Does not see: what other tasks, kswapd above all, take out of the cache of
 * the target.
 * Cost: some nanoseconds for others; one lookup for a target.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_cache_stats);
} cache_stats SEC(".maps");

static __always_inline struct fodc_cache_stats *stats_of_current(void)
{
	__u32 slot = current_slot();

	if (!slot)
		return NULL;
	slot--;
	return bpf_map_lookup_elem(&cache_stats, &slot);
}

/* Apart, so that the compiler leaves each field's offset where it is asked for:
 * no kernel has all of them. */
static __noinline __u64 flags_before_6_18(__u64 folio)
{
	return BPF_CORE_READ((struct folio *)folio, flags);
}

static __noinline __u64 order_before_6_6(__u64 folio)
{
	return BPF_CORE_READ((struct folio___before_6_6 *)folio, _folio_order);
}

/* Of the second page, which follows the first. */
static __noinline __u64 order_before_6_1(__u64 folio)
{
	__u64 second = folio + bpf_core_type_size(struct page___before_6_1);

	return BPF_CORE_READ((struct page___before_6_1 *)second, compound_order);
}

static __noinline __u64 flags_of(__u64 folio)
{
	struct folio___since_6_18 *newer = (void *)folio;

	return bpf_core_field_exists(newer->flags.f) ? BPF_CORE_READ(newer, flags.f)
						     : flags_before_6_18(folio);
}

static __noinline __u64 order_of(__u64 folio)
{
	struct folio___before_6_6 *older = (void *)folio;

	struct page___before_6_1 *page = (void *)folio;

	if (bpf_core_field_exists(older->_folio_order))
		return order_before_6_6(folio);
	if (bpf_core_field_exists(page->compound_order))
		return order_before_6_1(folio);
	/* In the lowest 8 bits. */
	return BPF_CORE_READ((struct folio *)folio, _flags_1) & 0xff;
}

static __always_inline __u64 pages_of(struct folio *folio)
{
	if (!(flags_of((__u64)folio) & (1ULL << bpf_core_enum_value(enum pageflags, PG_head))))
		return 1;
	return 1ULL << (order_of((__u64)folio) & 63);
}

SEC("?tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(cache_add, struct folio *folio)
{
	struct fodc_cache_stats *s = stats_of_current();

	if (s) {
		fodc_add(s->added_folios, 1);
		fodc_add(s->added_pages, pages_of(folio));
	}
	return 0;
}

SEC("?tp_btf/mm_filemap_delete_from_page_cache")
int BPF_PROG(cache_delete, struct folio *folio)
{
	struct fodc_cache_stats *s = stats_of_current();

	if (s) {
		fodc_add(s->deleted_folios, 1);
		fodc_add(s->deleted_pages, pages_of(folio));
	}
	return 0;
}

SEC("?tp_btf/mm_filemap_get_pages")
int BPF_PROG(cache_look)
{
	struct fodc_cache_stats *s = stats_of_current();

	if (s)
		fodc_add(s->lookups, 1);
	return 0;
}
