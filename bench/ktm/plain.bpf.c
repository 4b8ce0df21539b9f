// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What bench_ktm compares with: a plain program of the design that the Go agent
 * has. Classic tracepoints of system calls, the name compared byte by byte, a
 * hash by thread for the start, a per-CPU hash by process for what is counted.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct plain_reads {
	__u64 buckets[32];
	__u64 sum_ns;
	__u64 count;
	__u64 bytes;
};
struct plain_cache {
	__u64 lookups;
	__u64 adds;
	__u64 deletes;
};
struct plain_advice {
	__u64 fd, offset, length, advice;
};
struct plain_advices {
	__u64 calls, dontneed;
};

#define FLAG_NO_EXIST 1

#define PLAIN_HASH(name, map_type, entries, key_type, value_type) \
	struct {                                                  \
		__uint(type, map_type);                           \
		__uint(max_entries, entries);                     \
		__type(key, key_type);                            \
		__type(value, value_type);                        \
	} name SEC(".maps")

#define PERCPU_HASH 5 /* BPF_MAP_TYPE_PERCPU_HASH */

PLAIN_HASH(read_starts, BPF_MAP_TYPE_HASH, 10240, __u64, __u64);
PLAIN_HASH(pread_starts, BPF_MAP_TYPE_HASH, 10240, __u64, __u64);
PLAIN_HASH(advice_starts, BPF_MAP_TYPE_HASH, 8192, __u64, struct plain_advice);
PLAIN_HASH(read_sums, PERCPU_HASH, 8192, __u32, struct plain_reads);
PLAIN_HASH(pread_sums, PERCPU_HASH, 8192, __u32, struct plain_reads);
PLAIN_HASH(advice_sums, PERCPU_HASH, 8192, __u32, struct plain_advices);
PLAIN_HASH(cache_sums, PERCPU_HASH, 8192, __u32, struct plain_cache);
PLAIN_HASH(config, BPF_MAP_TYPE_ARRAY, 1, __u32, __u64);

struct enter_args {
	__u64 common;
	__s64 number;
	__u64 arguments[6];
};
struct exit_args {
	__u64 common;
	__s64 number;
	__s64 result;
};

static __always_inline bool is_target(void)
{
	static const char wanted[] = "banyand";
	__u32 zero = 0;
	__u64 *cgroup = bpf_map_lookup_elem(&config, &zero);
	char comm[16];

	if (cgroup && *cgroup && bpf_get_current_cgroup_id() != *cgroup)
		return false;
	if (bpf_get_current_comm(comm, sizeof(comm)))
		return false;
	for (int i = 0; i < 7; i++)
		if (comm[i] != wanted[i])
			return false;
	return true;
}

#ifndef NULL
#define NULL ((void *)0)
#endif

static __always_inline __u32 log2_of(__u64 v)
{
	__u32 r = 0;

	for (int i = 0; i < 32 && v > 1; i++) {
		v >>= 1;
		r++;
	}
	return r > 31 ? 31 : r;
}

static __always_inline int begin(void *starts)
{
	__u64 id = bpf_get_current_pid_tgid(), now;

	if (!is_target())
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(starts, &id, &now, BPF_ANY);
	return 0;
}

static __always_inline int end(void *starts, void *sums, struct exit_args *args)
{
	__u64 id = bpf_get_current_pid_tgid(), ns, *start;
	__u32 pid = id >> 32, bucket;
	struct plain_reads *sum;

	if (!is_target())
		return 0;
	start = bpf_map_lookup_elem(starts, &id);
	if (!start)
		return 0;
	ns = bpf_ktime_get_ns() - *start;
	bpf_map_delete_elem(starts, &id);
	if (args->result < 0)
		return 0;
	sum = bpf_map_lookup_elem(sums, &pid);
	if (!sum) {
		struct plain_reads none = {};

		bpf_map_update_elem(sums, &pid, &none, FLAG_NO_EXIST);
		sum = bpf_map_lookup_elem(sums, &pid);
		if (!sum)
			return 0;
	}
	sum->count++;
	sum->sum_ns += ns;
	sum->bytes += args->result;
	bucket = log2_of(ns / 1000);
	if (bucket < 32)
		sum->buckets[bucket]++;
	return 0;
}

SEC("tp/syscalls/sys_enter_read")
int plain_enter_read(struct enter_args *args)
{
	return begin(&read_starts);
}

SEC("tp/syscalls/sys_exit_read")
int plain_exit_read(struct exit_args *args)
{
	return end(&read_starts, &read_sums, args);
}

SEC("tp/syscalls/sys_enter_pread64")
int plain_enter_pread(struct enter_args *args)
{
	return begin(&pread_starts);
}

SEC("tp/syscalls/sys_exit_pread64")
int plain_exit_pread(struct exit_args *args)
{
	return end(&pread_starts, &pread_sums, args);
}

SEC("tp/syscalls/sys_enter_fadvise64")
int plain_enter_advice(struct enter_args *args)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32;
	struct plain_advice advice = { args->arguments[0], args->arguments[1], args->arguments[2],
				       args->arguments[3] };
	struct plain_advices *sum;

	if (!is_target())
		return 0;
	bpf_map_update_elem(&advice_starts, &id, &advice, BPF_ANY);
	sum = bpf_map_lookup_elem(&advice_sums, &pid);
	if (!sum) {
		struct plain_advices none = {};

		bpf_map_update_elem(&advice_sums, &pid, &none, FLAG_NO_EXIST);
		sum = bpf_map_lookup_elem(&advice_sums, &pid);
		if (!sum)
			return 0;
	}
	sum->calls++;
	if (advice.advice == 4)
		sum->dontneed++;
	return 0;
}

SEC("tp/syscalls/sys_exit_fadvise64")
int plain_exit_advice(struct exit_args *args)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (is_target())
		bpf_map_delete_elem(&advice_starts, &id);
	return 0;
}

static __always_inline struct plain_cache *cache_sum(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct plain_cache *sum;

	if (!is_target())
		return NULL;
	sum = bpf_map_lookup_elem(&cache_sums, &pid);
	if (!sum) {
		struct plain_cache none = {};

		bpf_map_update_elem(&cache_sums, &pid, &none, FLAG_NO_EXIST);
		sum = bpf_map_lookup_elem(&cache_sums, &pid);
	}
	return sum;
}

SEC("tp/filemap/mm_filemap_get_pages")
int plain_look(void *args)
{
	struct plain_cache *sum = cache_sum();

	if (sum)
		sum->lookups++;
	return 0;
}

SEC("tp/filemap/mm_filemap_add_to_page_cache")
int plain_add(void *args)
{
	struct plain_cache *sum = cache_sum();

	if (sum)
		sum->adds++;
	return 0;
}

SEC("tp/filemap/mm_filemap_delete_from_page_cache")
int plain_delete(void *args)
{
	struct plain_cache *sum = cache_sum();

	if (sum)
		sum->deletes++;
	return 0;
}
