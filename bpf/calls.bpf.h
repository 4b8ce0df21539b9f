/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * System calls in flight, for the programs that time them: one record for each
 * thread, in an array by thread id or in the task's own storage.
 */
#ifndef FODC_CALLS_BPF_H
#define FODC_CALLS_BPF_H

#include "filter.bpf.h"

/* The loader makes it as large as thread ids may be, or not at all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fodc_call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fodc_call);
} task_calls SEC(".maps");

const volatile bool use_task_storage = false;

/* x86-64, arch/x86/entry/syscalls/syscall_64.tbl. */
enum {
	NR_read = 0,
	NR_write = 1,
	NR_pread64 = 17,
	NR_pwrite64 = 18,
	NR_readv = 19,
	NR_writev = 20,
	NR_fsync = 74,
	NR_fdatasync = 75,
	NR_fadvise64 = 221,
	NR_sync_file_range = 277,
	NR_preadv = 295,
	NR_pwritev = 296,
	NR_preadv2 = 327,
	NR_pwritev2 = 328,
};
/* The code segment of 32-bit programs, whose calls have other numbers. */
#define USER32_CS 0x23

/* Which family counts the call; FODC_CALLS_NONE if none does. */
static __always_inline __u32 family_of(long nr)
{
	if (nr == NR_read || nr == NR_pread64 || nr == NR_readv || nr == NR_preadv ||
	    nr == NR_preadv2)
		return FODC_CALLS_READ;
	if (nr == NR_write || nr == NR_pwrite64 || nr == NR_writev || nr == NR_fsync ||
	    nr == NR_fdatasync || nr == NR_sync_file_range || nr == NR_pwritev || nr == NR_pwritev2)
		return FODC_CALLS_WRITE;
	return nr == NR_fadvise64 ? FODC_CALLS_POLICY : FODC_CALLS_NONE;
}

static __always_inline __u8 kind_of_mode(__u32 mode)
{
	switch (mode & 0170000) {
	case 0100000:
		return FODC_KIND_FILE;
	case 0140000:
		return FODC_KIND_SOCKET;
	case 0010000:
		return FODC_KIND_PIPE;
	default:
		return FODC_KIND_OTHER;
	}
}

/* The inode that a descriptor of the task refers to, or NULL. */
static __always_inline struct inode *inode_of(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = task->files->fdt;

	if (fd >= table->max_fds)
		return NULL;
	void *at = (void *)table->fd + 8 * (__u64)fd;

	if (has_rdonly_cast) {
		struct file *file = fodc_cast(at, struct kiocb)->ki_filp;

		return file ? file->f_inode : NULL;
	}
	struct file *file = NULL;

	if (bpf_probe_read_kernel(&file, sizeof(file), at) || !file)
		return NULL;
	return BPF_CORE_READ(file, f_inode);
}

static __always_inline __u8 kind_of(struct task_struct *task, __u32 fd)
{
	struct inode *inode = inode_of(task, fd);

	if (!inode)
		return FODC_KIND_OTHER;
	return kind_of_mode(has_rdonly_cast ? inode->i_mode : BPF_CORE_READ(inode, i_mode));
}

/* The record of a thread; NULL if it has none yet. */
static __always_inline struct fodc_call *call_of(struct task_struct *task, __u32 tid)
{
	return use_task_storage ? bpf_task_storage_get(&task_calls, task, 0, 0)
				: bpf_map_lookup_elem(&calls, &tid);
}

/* The same of the thread that runs. Whose task that is costs a little to ask. */
static __always_inline struct fodc_call *call_of_current(struct fodc_who *w)
{
	__u32 tid = w->tid;

	return use_task_storage
		       ? bpf_task_storage_get(&task_calls, bpf_get_current_task_btf(), 0, 0)
		       : bpf_map_lookup_elem(&calls, &tid);
}

/* The end of the call that the record has was not seen, if it has one. */
static __always_inline void drop_call(struct fodc_call *c, const struct fodc_filter *f)
{
	if (!c->start_ns)
		return;
	if (c->generation == f->generation)
		lose(c->slot, FODC_LOST_NO_EXIT);
	c->start_ns = 0;
}

/* Of how many calls of the target one is timed: 2 to this power. */
static __always_inline __u32 sample_log(const struct fodc_filter *f, __u32 slot)
{
	return slot < FODC_MAX_TARGETS ? f->sample_log[slot] & 15 : 0;
}

/*
 * Whether this call is the one that is timed of its CPU's 2 to the power of log.
 * Which one that is, is drawn by lot for each so many: each call has the same
 * chance, and no rhythm of the program can be in step with it.
 */
static __always_inline bool is_drawn(struct fodc_who *w, __u32 log)
{
	__u32 mask = (1u << log) - 1;
	__u32 at = w->calls++ & mask;

	/* Kept whole: the next call of this CPU may be another target's, with
	 * another mask. */
	if (!at)
		w->drawn = bpf_get_prandom_u32();
	return at == (w->drawn & mask);
}

static __always_inline void begin_call(struct fodc_who *w, const struct fodc_filter *f, __u8 family,
				       __u8 call, __u32 fd)
{
	__u32 slot = w->slot - 1;
	struct fodc_call *c;
	__u32 log = sample_log(f, slot);

	if (log && !is_drawn(w, log)) {
		/* Its end must not be taken for that of an earlier one. */
		c = call_of_current(w);
		if (c)
			drop_call(c, f);
		return;
	}
	struct task_struct *task = bpf_get_current_task_btf();

	c = use_task_storage
		    ? bpf_task_storage_get(&task_calls, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE)
		    : call_of(task, w->tid);
	if (!c) {
		lose(slot, FODC_LOST_MAP_FULL);
		return;
	}
	drop_call(c, f);
	c->generation = f->generation;
	c->slot = slot;
	c->family = family;
	c->call = call;
	c->kind = kind_of(task, fd);
	c->weight_log = log;
	c->start_ns = bpf_ktime_get_ns();
}

/*
 * The call that the current thread ends, if it was seen to begin: copied to
 * `out`, with its length in nanoseconds in start_ns. `weight`: for how many
 * calls it stands.
 */
static __always_inline bool end_call(struct fodc_who *w, const struct fodc_filter *f, __u8 family,
				     struct fodc_call *out, __u64 *weight)
{
	__u32 slot = w->slot - 1;
	struct fodc_call *c = call_of_current(w);

	if (!c || !c->start_ns)
		return false;
	*out = *c;
	c->start_ns = 0;
	if (out->generation != f->generation || out->slot != slot || out->family != family) {
		lose(slot, FODC_LOST_NO_EXIT);
		return false;
	}
	out->start_ns = fodc_elapsed(out->start_ns, bpf_ktime_get_ns());
	/* As it was chosen: sampling may have begun or ended since. */
	*weight = 1ULL << out->weight_log;
	return true;
}

/* `ret` is a negative errno. ERESTART*: the call begins anew by itself. */
static __always_inline __u32 error_class(long ret)
{
	switch (-ret) {
	case 11: /* EAGAIN */
		return FODC_ERROR_AGAIN;
	case 4:		  /* EINTR */
	case 512 ... 514: /* ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND */
	case 516:	  /* ERESTART_RESTARTBLOCK */
		return FODC_ERROR_INTERRUPTED;
	case 5:	  /* EIO */
	case 6:	  /* ENXIO */
	case 28:  /* ENOSPC */
	case 30:  /* EROFS */
	case 61:  /* ENODATA: a bad sector */
	case 84:  /* EILSEQ: failed integrity check */
	case 110: /* ETIMEDOUT */
	case 121: /* EREMOTEIO */
	case 122: /* EDQUOT */
		return FODC_ERROR_IO;
	case 12: /* ENOMEM */
		return FODC_ERROR_NO_MEMORY;
	case 9:	 /* EBADF */
	case 14: /* EFAULT */
	case 21: /* EISDIR */
	case 22: /* EINVAL */
	case 29: /* ESPIPE */
		return FODC_ERROR_BAD_CALL;
	default:
		return FODC_ERROR_OTHER;
	}
}

static __always_inline void fail(__u64 *failures, long ret)
{
	__u32 class = error_class(ret);

	if (class < FODC_ERRORS)
		fodc_add(failures[class], 1);
}

#endif /* FODC_CALLS_BPF_H */
