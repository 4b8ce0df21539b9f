/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The difference of two readings of the kernel's clock, for kernel and user
 * space. A task that changes its CPU in between may find the clock behind by
 * some nanoseconds: no time has passed then, not five centuries.
 */
#ifndef FODC_ELAPSED_H
#define FODC_ELAPSED_H

static inline __attribute__((always_inline)) unsigned long long
fodc_elapsed(unsigned long long since, unsigned long long now)
{
	return now > since ? now - since : 0;
}

#endif /* FODC_ELAPSED_H */
