// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Nothing, on the hooks of bpf/ that a cached read runs through: what no program
 * on them can be cheaper than.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_enter")
int empty_enter(void *ctx)
{
	return 0;
}

SEC("tp_btf/sys_exit")
int empty_exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/mm_filemap_get_pages")
int empty_look(void *ctx)
{
	return 0;
}
