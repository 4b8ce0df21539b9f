/* SPDX-License-Identifier: Apache-2.0
 *
 * What libfodc-guard has to say, for C: fodc/guard/event.h tells more. C99. */
#ifndef FODC_GUARD_C_EVENT_H_
#define FODC_GUARD_C_EVENT_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fodc_guard_event_level {
	FODC_GUARD_INFO = 0,
	FODC_GUARD_WARN = 1,
	FODC_GUARD_ERROR = 2
};

struct fodc_guard_field {
	const char *key;
	const char *value;
	int is_number;
};

/* Called on whatever thread the event occurs; must not block for long nor call
 * back into the part that calls it. All that it is given lives until it
 * returns. */
typedef void (*fodc_guard_event_fn)(void *user, int level, const char *message,
				    const struct fodc_guard_field *fields,
				    size_t field_count);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_EVENT_H_ */
