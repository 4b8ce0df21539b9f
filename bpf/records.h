/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kernel and user space share. Fields have fixed widths, the widest first,
 * no padding: room `kernel` asserts each size.
 */
#ifndef FODC_RECORDS_H
#define FODC_RECORDS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "histogram.h"

#define FODC_MAX_TARGETS 8
#define FODC_MAX_THREAD_GROUPS 4096
#define FODC_MAX_REQUESTS 2048
#define FODC_MAX_STALLS 1024
#define FODC_EVENT_RING_BYTES 16384

/* One target's cgroup (v2): a task counts if its group, or the ancestor of that
 * at this level, has the id. User space may not know the level, in a cgroup
 * namespace: the kernel learns it when it first meets the group. */
#define FODC_LEVEL_UNKNOWN 0xffffffffu
#define FODC_MAX_LEVELS 64
struct fodc_cgroup {
	__u64 id;
	__u32 level;
	__u32 slot;
};

/* Written by user space, in shared memory. Whatever is written before `epoch`
 * grows is seen by whoever sees the new epoch. */
struct fodc_filter {
	struct fodc_cgroup cgroups[FODC_MAX_TARGETS];
	/* Times one call in 2 to this power; 0: each. By slot. */
	__u32 sample_log[FODC_MAX_TARGETS];
	__u32 cgroup_count;
	__u16 by_thread_group; /* 0: the map of thread groups is empty */
	__u16 makers_are_told; /* block_start tells who makes a request */
	__u32 epoch;	       /* what was learned of a task under another one is void */
	__u32 generation;      /* a call that began under another one is void */
};

/* Of one process that counts by its number. The number may be another one's soon
 * after the process has died: who gets it is no target's. */
struct fodc_thread_group {
	__u64 died_ns; /* when the process that has died was started; 0: it lives */
	__u32 slot;    /* of the target, plus 1 */
	__u32 unused;
};

/* Whom a CPU runs. */
struct fodc_who {
	__u64 task; /* its address, and that of its registers: no two tasks that */
	__u64 regs; /* live have the same; 0: not learned */
	__u32 epoch;
	__u32 slot; /* of the target, plus 1; 0: none */
	__u32 tid;
	__u16 calls; /* read and write calls that were sampled, modulo a power of 2 */
	__u16 drawn; /* which of the next ones is timed */
};

/* A call in flight. start_ns is 0 if there is none. */
struct fodc_call {
	__u64 start_ns;
	__u32 generation;
	__u8 slot;
	__u8 family; /* one of FODC_CALLS_* */
	__u8 call;
	__u8 kind : 4;
	__u8 weight_log : 4; /* stands for 2 to this power of calls */
};
#define FODC_MAX_SAMPLE_LOG 12 /* below 16: fodc_who counts so far */

/* Which family counts a call. */
enum { FODC_CALLS_READ, FODC_CALLS_WRITE, FODC_CALLS_POLICY, FODC_CALLS_NONE };

enum { FODC_KIND_FILE, FODC_KIND_SOCKET, FODC_KIND_PIPE, FODC_KIND_OTHER, FODC_KINDS };

enum {
	FODC_ERROR_AGAIN,
	FODC_ERROR_INTERRUPTED,
	FODC_ERROR_IO,
	FODC_ERROR_NO_MEMORY,
	FODC_ERROR_BAD_CALL,
	FODC_ERROR_OTHER,
	FODC_ERRORS,
};

enum { FODC_LOST_MAP_FULL, FODC_LOST_NO_EXIT, FODC_LOST_RING_FULL, FODC_LOSSES };

struct fodc_histogram {
	__u64 slots[FODC_HISTOGRAM_SLOTS];
	__u64 sum_ns;
};

struct fodc_call_stats {
	struct fodc_histogram latency;
	__u64 bytes;
};

/* The records of one target, one on each CPU. */
enum { FODC_READ_READ, FODC_READ_PREAD, FODC_READ_VECTORED, FODC_READS };
struct fodc_read_stats {
	struct fodc_call_stats calls[FODC_READS][FODC_KINDS];
	__u64 failures[FODC_ERRORS];
};

/* Calls of the write family: plain ones, then the syncs. */
enum { FODC_WRITE_DATA, FODC_WRITE_FSYNC, FODC_WRITE_FDATASYNC, FODC_WRITE_RANGE };
#define FODC_SYNCS 3
struct fodc_write_stats {
	struct fodc_call_stats kinds[FODC_KINDS];
	struct fodc_histogram syncs[FODC_SYNCS];
	__u64 failures[FODC_ERRORS];
	__u64 sync_failures[FODC_ERRORS];
};

#define FODC_ADVICES 6
struct fodc_policy_stats {
	__u64 calls;
	__u64 by_advice[FODC_ADVICES];
	__u64 dontneed_bytes;
};

struct fodc_cache_stats {
	__u64 added_folios;
	__u64 added_pages;
	__u64 deleted_folios;
	__u64 deleted_pages;
	__u64 lookups;
};

struct fodc_memory_stats {
	__u64 scanned_pages;
	__u64 reclaimed_pages;
	__u64 shrink_events;
	__u64 direct_entries;
	__u64 direct_stall_ns;
	__u64 memcg_entries;
	__u64 memcg_stall_ns;
};
struct fodc_kswapd_stats {
	__u64 scanned_pages;
	__u64 reclaimed_pages;
};
/* Reclaim in flight, by thread id. */
struct fodc_stall {
	__u64 start_ns;
	__u32 slot;
	__u32 generation;
};

struct fodc_fault_stats {
	__u64 major;
	__u64 minor;
};

enum { FODC_BLOCK_READ, FODC_BLOCK_WRITE, FODC_BLOCK_OTHER, FODC_BLOCK_OPERATIONS };
struct fodc_block_stats {
	struct fodc_call_stats operations[FODC_BLOCK_OPERATIONS];
};
/* A request in flight, by its address. */
struct fodc_request {
	__u64 start_ns;
	__u32 generation;
	__u32 bytes;
	__u16 slot;
	__u16 operation;
	__u32 pad;
};

struct fodc_sched_stats {
	struct fodc_histogram run_queue_wait;
};

struct fodc_death_stats {
	__u64 oom_kills;
	__u64 exits_by_signal;
};

/* How a process dies, of those that have been told. */
struct fodc_death {
	__u64 start_ns; /* of the process */
	__u32 tgid;
	__u32 kind; /* FODC_EVENT_* */
};
#define FODC_DEATHS_TOLD 256
enum { FODC_EVENT_OOM_VICTIM, FODC_EVENT_EXIT_BY_SIGNAL };
struct fodc_event {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u64 age_ns;
	__u64 start_ns;	  /* CLOCK_BOOTTIME at which the process began */
	__u64 anon_pages; /* of an OOM victim */
	__u64 file_pages;
	__u64 shmem_pages;
	char comm[16];
	__u32 tgid;
	__u16 slot;
	__u8 kind;
	__u8 exit_code; /* as wait(2): signal in the lower 7 bits, 0x80: core */
};

/* Of one process, in two process namespaces. */
struct fodc_number {
	__u32 readers; /* as whoever reads the iterator counts */
	__u32 kernels; /* as the first namespace counts */
};

struct fodc_loss_stats {
	__u64 lost[FODC_LOSSES];
};

#endif /* FODC_RECORDS_H */
