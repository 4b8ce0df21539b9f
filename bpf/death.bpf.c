// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How the targets' processes die: chosen by the OOM killer, ended by a signal.
 * Hooks: tp_btf/mark_victim (with a task since Linux 6.8; before it tells a
 * bare process id and is left alone), sched_process_exit. Needs BTF.
 * Cost: nothing but at an exit.
 * Loss: an event that finds the ring full is counted, and is in `losses`.
 */
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_death_stats);
} death_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FODC_EVENT_RING_BYTES);
} events SEC(".maps");

/* Both tracepoints tell threads, and of the last ones of a process each may find
 * that it is the last: `live` is lowered well before. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FODC_DEATHS_TOLD);
	__type(key, struct fodc_death);
	__type(value, __u32);
} deaths_told SEC(".maps");

#define EEXIST 17

/* Whether it is the first time that this is told of the process. */
static __always_inline bool is_new(struct task_struct *task, __u32 kind)
{
	struct fodc_death death = {
		.start_ns = task->group_leader->start_time,
		.tgid = task->tgid,
		.kind = kind,
	};
	__u32 none = 0;

	return bpf_map_update_elem(&deaths_told, &death, &none, BPF_NOEXIST) != -EEXIST;
}

static __always_inline struct fodc_event *new_event(struct task_struct *task, __u32 slot)
{
	struct fodc_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		lose(slot, FODC_LOST_RING_FULL);
		return NULL;
	}
	e->at_ns = bpf_ktime_get_ns();
	e->age_ns = fodc_elapsed(task->group_leader->start_time, e->at_ns);
	e->start_ns = task->group_leader->start_boottime;
	e->anon_pages = e->file_pages = e->shmem_pages = 0;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), task->group_leader->comm);
	e->tgid = task->tgid;
	e->slot = slot;
	e->exit_code = 0;
	return e;
}

static __always_inline __u64 positive(__s64 count)
{
	return count > 0 ? count : 0;
}

SEC("?tp_btf/mark_victim")
int BPF_PROG(death_oom, struct task_struct *task)
{
	struct fodc_filter *f = the_filter();

	if (!f)
		return 0;
	__u32 slot = slot_of(task, f) - 1;
	struct fodc_death_stats *s = bpf_map_lookup_elem(&death_stats, &slot);

	if (!s || !is_new(task, FODC_EVENT_OOM_VICTIM))
		return 0;
	fodc_add(s->oom_kills, 1);
	struct mm_struct *mm = task->mm;
	struct fodc_event *e = new_event(task, slot);

	if (!e)
		return 0;
	e->kind = FODC_EVENT_OOM_VICTIM;
	/* CPUs keep parts of them: right to some pages for each CPU. Written out,
	 * since only constant indexes are relocated. MM_FILEPAGES, MM_ANONPAGES,
	 * MM_SHMEMPAGES of include/linux/mm_types_task.h. */
	if (mm) {
		e->file_pages = positive(mm->rss_stat[0].count);
		e->anon_pages = positive(mm->rss_stat[1].count);
		e->shmem_pages = positive(mm->rss_stat[3].count);
	}
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(death_exit, struct task_struct *task)
{
	struct fodc_filter *f = the_filter();

	/* A last thread of its process, and that ends by a signal. */
	if (!f || !(task->exit_code & 0x7f) || task->signal->live.counter)
		return 0;
	__u32 slot = slot_of(task, f) - 1;
	struct fodc_death_stats *s = bpf_map_lookup_elem(&death_stats, &slot);

	if (!s || !is_new(task, FODC_EVENT_EXIT_BY_SIGNAL))
		return 0;
	fodc_add(s->exits_by_signal, 1);
	struct fodc_event *e = new_event(task, slot);

	if (!e)
		return 0;
	e->kind = FODC_EVENT_EXIT_BY_SIGNAL;
	e->exit_code = task->exit_code & 0xff;
	bpf_ringbuf_submit(e, 0);
	return 0;
}
