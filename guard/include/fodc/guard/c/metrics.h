/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of libfodc-guard as a text page, for C. C99. */
#ifndef FODC_GUARD_C_METRICS_H_
#define FODC_GUARD_C_METRICS_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Must outlive all parts that it was given to. Thread-safe. */
typedef struct fodc_guard_metrics fodc_guard_metrics;

int fodc_guard_metrics_create(fodc_guard_metrics **out);
/* Null is fine. */
void fodc_guard_metrics_destroy(fodc_guard_metrics *metrics);

/* Prometheus text 0.0.4 with a zero behind it. `*length` gets its length
 * without the zero, also if it did not fit into `size` bytes
 * (FODC_GUARD_OUT_OF_RANGE: nothing is written; ask again with more). */
int fodc_guard_metrics_text(const fodc_guard_metrics *metrics, char *buffer,
			    size_t size, size_t *length);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_METRICS_H_ */
