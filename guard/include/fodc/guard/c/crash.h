/* SPDX-License-Identifier: Apache-2.0
 *
 * Evidence of a death by a fatal signal, for C: fodc/guard/crash.h and
 * fodc/guard/breadcrumb.h tell what the functions do. C99. */
#ifndef FODC_GUARD_C_CRASH_H_
#define FODC_GUARD_C_CRASH_H_

#include <stddef.h>
#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fodc_guard_crash_options {
	const char *directory;
	const char *component; /* null: the program's name */
	size_t max_artifacts;
	/* Key, value, key, value, ..., null; may be null itself. */
	const char *const *metadata;
	int handle_sigtrap;
	int64_t thread_wait_ms;
	int thread_signal;
	size_t reserve_bytes;
	size_t memory_reserve_bytes;
	fodc_guard_event_fn on_event; /* may be null; only while arming */
	void *on_event_user;
};

/* The defaults. To be called first. */
void fodc_guard_crash_options_init(struct fodc_guard_crash_options *options);

/* The first thing in main. Nothing of the options is used afterwards. */
int fodc_guard_crash_arm(const struct fodc_guard_crash_options *options);
void fodc_guard_crash_disarm(void);

/* The first thing in a thread. */
int fodc_guard_crash_cover_this_thread(void);
/* After threads of other libraries were started or libraries were loaded. */
int fodc_guard_crash_refresh(void);

/* Adds to the chain of the calling thread. Null is as empty, save the stage,
 * which must be given; the fields are as the metadata above. */
void fodc_guard_breadcrumb(const char *stage, const char *component,
			   const char *const *fields);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_CRASH_H_ */
