/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles of this process, for C: fodc/guard/profile.h tells what the
 * functions do. C99. */
#ifndef FODC_GUARD_C_PROFILE_H_
#define FODC_GUARD_C_PROFILE_H_

#include <stddef.h>
#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/metrics.h"
#include "fodc/guard/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fodc_guard_heap_source {
	FODC_GUARD_HEAP_AUTO = 0,
	FODC_GUARD_HEAP_JEMALLOC = 1,
	FODC_GUARD_HEAP_GPERFTOOLS = 2,
	FODC_GUARD_HEAP_SAMPLER = 3
};

/* The source that a heap profile would come from now, or
 * FODC_GUARD_FAILED_PRECONDITION. */
int fodc_guard_find_heap_source(int wanted, int *out);

/* Serves from a thread of its own. */
typedef struct fodc_guard_profile_server fodc_guard_profile_server;

struct fodc_guard_profile_server_options {
	const char *listen;
	const char *token; /* may be null: none is asked for */
	int heap_source;
	uint32_t request_timeout_ms;
	uint32_t response_timeout_ms;
	uint32_t max_connections;
	fodc_guard_event_fn on_event; /* may be null */
	void *on_event_user;
	fodc_guard_metrics *metrics; /* may be null */
};

/* The defaults. To be called first. */
void fodc_guard_profile_server_options_init(
	struct fodc_guard_profile_server_options *options);

int fodc_guard_profile_server_start(
	const struct fodc_guard_profile_server_options *options,
	fodc_guard_profile_server **out);
/* Null is fine. */
void fodc_guard_profile_server_stop(fodc_guard_profile_server *server);
/* Where it listens; lives as long as the server. */
const char *
fodc_guard_profile_server_address(const fodc_guard_profile_server *server);

/* For a host with a server of its own: written to a descriptor that blocks.
 * FODC_GUARD_UNAVAILABLE while another profile is written. */
int fodc_guard_write_heap_profile(int fd, int heap_source);
int fodc_guard_write_thread_profile(int fd);
int fodc_guard_write_allocator_text(int fd);

/* The table of heap samples; the descriptor belongs to the library. */
int fodc_guard_heap_table_fd(int *out);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_PROFILE_H_ */
