/* SPDX-License-Identifier: Apache-2.0
 *
 * Workload isolation for C: fodc/guard/isolation.h tells what the parts do.
 * Nothing waits: who is refused gets FODC_GUARD_UNAVAILABLE (try again later),
 * FODC_GUARD_OUT_OF_RANGE (too large: no use to try again) or
 * FODC_GUARD_CANCELLED, and fodc_guard_last_error() is "refused: " and the
 * reason. C99. */
#ifndef FODC_GUARD_C_ISOLATION_H_
#define FODC_GUARD_C_ISOLATION_H_

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/metrics.h"
#include "fodc/guard/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a refused client is told. */
#define FODC_GUARD_BUSY_TEXT "BUSY server overloaded"
#define FODC_GUARD_CONNECTIONS_TEXT "ERR max connections per client exceeded"
#define FODC_GUARD_SLOW_DOWN_STATUS 503
#define FODC_GUARD_SLOW_DOWN_CODE "SlowDown"
#define FODC_GUARD_SLOW_DOWN_HEADERS "Retry-After: 1\r\nConnection: close\r\n"

#define FODC_GUARD_BY_WEIGHT UINT_MAX

/* Thread-safe. */
typedef struct fodc_guard_isolation fodc_guard_isolation;

struct fodc_guard_isolation_options {
	unsigned slots; /* 0: two for each CPU of the container */
	/* Null: "read" (0) of weight 2, "scan" (1) of weight 1. */
	const char *const *class_names;
	const unsigned *class_weights; /* null: 1 each */
	/* Slots of each; null, and FODC_GUARD_BY_WEIGHT: by the weights. */
	const unsigned *class_guaranteed;
	size_t class_count;
	unsigned heavy_per_peer;	  /* 0: no limit */
	unsigned connections_per_address; /* 0: no limit */
	uint64_t budget_bytes;
	unsigned guaranteed_percent; /* of it, to small and to large bodies */
	uint64_t unit_bytes;
	uint64_t restore_after_ms;
	fodc_guard_event_fn on_event; /* may be null */
	void *on_event_user;
	fodc_guard_metrics *metrics; /* may be null */
};

/* The defaults. To be called first. */
void fodc_guard_isolation_options_init(
	struct fodc_guard_isolation_options *options);

int fodc_guard_isolation_create(
	const struct fodc_guard_isolation_options *options,
	fodc_guard_isolation **out);
/* After all work, connections and bodies have been released. Null is fine. */
void fodc_guard_isolation_destroy(fodc_guard_isolation *isolation);

/* Level of memory: 0 normal, 1 soft, 2 hard. */
int fodc_guard_isolation_set_level(fodc_guard_isolation *isolation, int level);
/* Before the metrics are shown. */
void fodc_guard_isolation_update_metrics(fodc_guard_isolation *isolation);

/* A heavy command that runs. Lies where the host puts it and must not be
 * copied or moved. One thread at a time. */
struct fodc_guard_work {
	uint64_t opaque[16];
};

struct fodc_guard_work_request {
	size_t class_index;
	const char *peer;    /* null or empty: not counted */
	uint64_t timeout_ms; /* 0: none; never longer than the parent's */
	const struct fodc_guard_work *parent; /* the work around it, or null */
};

/* FODC_GUARD_INVALID_ARGUMENT, which is counted nowhere, for a class that there
 * is not. Sets `*work` in any case; it must be released in any case, too, once
 * or more often. */
int fodc_guard_admit(fodc_guard_isolation *isolation,
		     const struct fodc_guard_work_request *request,
		     struct fodc_guard_work *work);
/* Whether its deadline has passed. */
int fodc_guard_work_is_cancelled(const struct fodc_guard_work *work);
void fodc_guard_work_release(struct fodc_guard_work *work);

/* A connection, as fodc_guard_work is a command. */
struct fodc_guard_connection {
	uint64_t opaque[8];
};

/* `*should_tell` (may be null): of a refused one, 0 if the peer is to be left
 * without a word. */
int fodc_guard_connect(fodc_guard_isolation *isolation, const char *address,
		       struct fodc_guard_connection *connection,
		       int *should_tell);
void fodc_guard_connection_release(struct fodc_guard_connection *connection);

/* The bytes that one request holds, as fodc_guard_work is a command. */
struct fodc_guard_body {
	uint64_t opaque[10];
};

#define FODC_GUARD_LENGTH_UNKNOWN UINT64_MAX

/* At the door; takes nothing. */
int fodc_guard_body_peek(fodc_guard_isolation *isolation,
			 uint64_t declared_bytes);
void fodc_guard_body_begin(fodc_guard_isolation *isolation,
			   uint64_t declared_bytes,
			   struct fodc_guard_body *body);
/* How many bytes to take next; 0 at the end of the declared length. */
uint64_t fodc_guard_body_next_bytes(const struct fodc_guard_body *body);
/* Before they are read. */
int fodc_guard_body_take(fodc_guard_isolation *isolation,
			 struct fodc_guard_body *body, uint64_t bytes);
/* When their outcome is final. */
void fodc_guard_body_give(struct fodc_guard_body *body, uint64_t bytes);
void fodc_guard_body_release(struct fodc_guard_body *body);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_ISOLATION_H_ */
