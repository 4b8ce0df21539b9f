// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two numbers of each process that the reader's process namespace has: the one
 * there, and the kernel's own, by which all programs go.
 * Hooks: iter/task, run at each collection in a process namespace that is not
 * the first one, while a target counts by thread group. Needs BTF, Linux 5.16.
 * Cost: some hundred nanoseconds a task of the namespace.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "records.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("?iter/task")
int numbers_all(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || task->pid != task->tgid)
		return 0;
	/* The iterator walks the namespace of whoever reads it. */
	__u32 level = bpf_get_current_task_btf()->thread_pid->level;
	struct pid *pid = task->thread_pid;
	struct fodc_number n = { .kernels = task->tgid };

	if (!bpf_core_read(&n.readers, sizeof(n.readers), &pid->numbers[level].nr))
		bpf_seq_write(ctx->meta->seq, &n, sizeof(n));
	return 0;
}
