/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives memory back before it is taken, for C: fodc/guard/soft_limit.h tells
 * more. C99. */
#ifndef FODC_GUARD_C_SOFT_LIMIT_H_
#define FODC_GUARD_C_SOFT_LIMIT_H_

#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fodc_guard_soft_limit_options {
	/* "off" or empty, "1800MiB", "72%"; null: 72 % of a cgroup's limit */
	const char *limit;
	fodc_guard_event_fn on_event;
	void *on_event_user;
	fodc_guard_metrics *metrics; /* outlives the limiter; may be null */
};

typedef struct fodc_guard_soft_limiter fodc_guard_soft_limiter;

int fodc_guard_soft_limiter_create(
	const struct fodc_guard_soft_limit_options *options,
	fodc_guard_soft_limiter **out);
/* Stops it. Null is fine. */
void fodc_guard_soft_limiter_destroy(fodc_guard_soft_limiter *limiter);
/* The line; 0 if it is off. */
uint64_t fodc_guard_soft_limiter_bytes(const fodc_guard_soft_limiter *limiter);
/* Before start. `set_budget` is called on the limiter's thread. */
int fodc_guard_soft_limiter_add_cache(
	fodc_guard_soft_limiter *limiter, const char *name,
	uint64_t budget_bytes, uint64_t minimum_bytes,
	void (*set_budget)(void *user, uint64_t budget_bytes), void *user);
int fodc_guard_soft_limiter_start(fodc_guard_soft_limiter *limiter);
/* For on_level of c/memwatch.h: looks at once. */
void fodc_guard_soft_limiter_on_level(fodc_guard_soft_limiter *limiter,
				      int level);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_SOFT_LIMIT_H_ */
