/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types, as far as bpf/ uses them. Names, not offsets: each access
 * is relocated to the running kernel when the program is loaded (CO-RE). See
 * README.md for where each comes from and how to add one.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __le16;
typedef __u32 __le32;
typedef __u64 __le64;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

/* include/uapi/linux/bpf.h: part of the kernel's ABI. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};
enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1024,
};
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* arch/x86/include/asm/ptrace.h */
struct pt_regs {
	unsigned long r10;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long cs;
};

/* include/linux/cgroup-defs.h, kernfs.h */
struct kernfs_node {
	__u64 id;
};
struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[]; /* since 6.1 */
};
struct cgroup___before_6_1 {
	int level;
	__u64 ancestor_ids[];
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
};
struct css_set {
	struct cgroup *dfl_cgrp;
};

/* include/linux/fs.h, fdtable.h */
struct inode {
	unsigned short i_mode;
	long long i_size;
};
struct file {
	struct inode *f_inode;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct kiocb {
	struct file *ki_filp;
};

/* include/linux/mm_types.h */
struct folio {
	unsigned long flags; /* before 6.18 */
	unsigned long _flags_1;
};
struct memdesc_flags {
	unsigned long f;
};
struct folio___since_6_18 {
	struct memdesc_flags flags;
};
struct folio___before_6_6 {
	unsigned char _folio_order;
};
struct page___before_6_1 {
	unsigned char compound_order;
};
enum pageflags { PG_head = 6 };
struct percpu_counter {
	__s64 count;
};
struct mm_struct {
	struct percpu_counter rss_stat[4]; /* since 6.2 */
};
struct address_space;

/* include/linux/sched.h, sched/signal.h */
typedef struct {
	int counter;
} atomic_t;
struct signal_struct {
	atomic_t live;
	int nr_threads;
};
struct sched_info {
	unsigned long long last_queued;
};
/* kernel/sched/sched.h */
struct rq {
	__u64 clock;
};
struct cfs_rq {
	struct rq *rq;
};
struct sched_entity {
	struct cfs_rq *cfs_rq;
};
/* include/linux/pid.h */
struct pid_namespace;
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[];
};
struct task_struct {
	unsigned int flags;
	int exit_code;
	int pid;
	int tgid;
	__u64 start_time;
	__u64 start_boottime;
	unsigned long min_flt;
	unsigned long maj_flt;
	char comm[16];
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct files_struct *files;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct sched_entity se;
	struct sched_info sched_info;
};

/* include/linux/blk-mq.h, blk_types.h */
struct request {
	unsigned int cmd_flags;
	unsigned int __data_len;
};

/* include/linux/vmscan.h has no more of it than its name */
struct reclaim_stat;

/* kernel/bpf/task_iter.c */
struct seq_file;
struct bpf_iter_meta {
	union {
		struct seq_file *seq;
	};
	__u64 session_id;
	__u64 seq_num;
};
struct bpf_iter__task {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct task_struct *task;
	};
};

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
