/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log-linear histogram of nanoseconds, for kernel and user space. Four slots
 * to the octave, from 256 ns to 2^36 ns (68.7 s); slot 0 has what is less or
 * equal 256 ns, the last one what is more than 68.7 s. A slot (a, b] holds its
 * upper bound, as a Prometheus `le` does.
 */
#ifndef FODC_HISTOGRAM_H
#define FODC_HISTOGRAM_H

#define FODC_HISTOGRAM_FIRST_OCTAVE 8 /* 2^8 ns */
#define FODC_HISTOGRAM_END_OCTAVE 36  /* 2^36 ns */
#define FODC_HISTOGRAM_SLOTS ((FODC_HISTOGRAM_END_OCTAVE - FODC_HISTOGRAM_FIRST_OCTAVE) * 4 + 2)

static inline __attribute__((always_inline)) unsigned int fodc_histogram_slot(unsigned long long ns)
{
	unsigned long long v = ns - 1; /* (a, b] becomes [a, b) */
	unsigned int octave = 0;

	if (ns <= (1ULL << FODC_HISTOGRAM_FIRST_OCTAVE))
		return 0;
	if (v >= (1ULL << FODC_HISTOGRAM_END_OCTAVE))
		return FODC_HISTOGRAM_SLOTS - 1;
	/* The place of the highest bit: eBPF has no instruction for it. */
	if (v >> 32)
		octave += 32, v >>= 32;
	if (v >> 16)
		octave += 16, v >>= 16;
	if (v >> 8)
		octave += 8, v >>= 8;
	if (v >> 4)
		octave += 4, v >>= 4;
	if (v >> 2)
		octave += 2, v >>= 2;
	octave += (unsigned int)(v >> 1);
	/* The two bits below the highest one tell the quarter. */
	return (octave - FODC_HISTOGRAM_FIRST_OCTAVE) * 4 +
	       (unsigned int)(((ns - 1) >> (octave - 2)) & 3) + 1;
}

#endif /* FODC_HISTOGRAM_H */
