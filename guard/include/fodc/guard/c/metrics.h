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

enum fodc_guard_metric_type {
	FODC_GUARD_COUNTER = 0,
	FODC_GUARD_GAUGE = 1,
	FODC_GUARD_HISTOGRAM = 2
};

struct fodc_guard_label {
	const char *name;
	const char *value;
};

/* A family, then its samples; all texts live until the call returns. The name
 * of a sample of a histogram ends with _bucket (with the label `le`), _sum or
 * _count. Either may be null. */
struct fodc_guard_metric_visitor {
	void (*family)(void *user, const char *name, const char *help,
		       int type);
	void (*sample)(void *user, const char *name,
		       const struct fodc_guard_label *labels,
		       size_t label_count, double value);
};

/* Sample by sample, for a registry of the host's. */
int fodc_guard_metrics_visit(const fodc_guard_metrics *metrics,
			     const struct fodc_guard_metric_visitor *visitor,
			     void *user);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_METRICS_H_ */
