/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog of the process's memory, and why the process ends, for C:
 * fodc/guard/memwatch.h and exit_cause.h tell more. C99. Functions that return
 * an int without more words return a code of c/status.h. */
#ifndef FODC_GUARD_C_MEMWATCH_H_
#define FODC_GUARD_C_MEMWATCH_H_

#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fodc_guard_exit_cause {
	FODC_GUARD_EXIT_NONE = 0,
	FODC_GUARD_EXIT_STOP = 1,
	FODC_GUARD_EXIT_PRESSURE = 2,
	FODC_GUARD_EXIT_ERROR = 3,
	FODC_GUARD_EXIT_CRASH = 4,
	FODC_GUARD_EXIT_KILLED = 5,
	FODC_GUARD_EXIT_OOM_KILL = 6
};

struct fodc_guard_life_options {
	const char *directory;	/* null: nothing is kept */
	int pressure_exit_code; /* 1 to 125 */
	fodc_guard_event_fn on_event;
	void *on_event_user;
	fodc_guard_metrics *metrics; /* outlives the life; may be null */
};

typedef struct fodc_guard_life fodc_guard_life;

/* Fills in the defaults; call it first. */
void fodc_guard_life_options_init(struct fodc_guard_life_options *options);
int fodc_guard_life_begin(const struct fodc_guard_life_options *options,
			  fodc_guard_life **out);
/* Null is fine. */
void fodc_guard_life_destroy(fodc_guard_life *life);
/* How the life before ended; FODC_GUARD_EXIT_NONE if there was none. */
int fodc_guard_life_previous(const fodc_guard_life *life);
/* Likewise, and all that is known of it; 0 where nothing is. */
struct fodc_guard_last_exit {
	int cause;
	int64_t unix_ms; /* when it ended */
	double run_seconds;
	uint64_t rss_bytes;
	uint64_t limit_bytes;
	uint64_t threshold_bytes;
	int pressure_streak; /* lives right before this one that ended by it */
};
void fodc_guard_life_last_exit(const fodc_guard_life *life,
			       struct fodc_guard_last_exit *out);
/* 1 if this is the first cause, else 0. Async-signal-safe. */
int fodc_guard_life_claim(fodc_guard_life *life, int cause);
/* Likewise, and writes last-exit.json, once: of a process that does not come to
 * fodc_guard_life_conclude. Async-signal-safe. */
int fodc_guard_life_end(fodc_guard_life *life, int cause);
/* The exit code of the process. `error`: what the run failed with; null if it
 * did not. Code 0 to 16 of c/status.h; a cancel is no error beside a cause. */
int fodc_guard_life_conclude(fodc_guard_life *life, int code,
			     const char *error);

enum fodc_guard_memory_level {
	FODC_GUARD_MEMORY_NORMAL = 0,
	FODC_GUARD_MEMORY_SOFT = 1,
	FODC_GUARD_MEMORY_HARD = 2
};

#define FODC_GUARD_BYTES_UNKNOWN UINT64_MAX

struct fodc_guard_memory_state {
	int level;
	const char *source; /* "cgroup", "rss", ... */
	uint64_t bytes;	    /* of the source; or FODC_GUARD_BYTES_UNKNOWN */
	uint64_t rss_bytes;
	uint64_t cgroup_bytes;
	uint64_t limit_bytes;
	uint64_t threshold_bytes;
	double seconds_to_limit; /* negative: not growing */
};

/* On the watchdog's thread; must not block for long. */
typedef void (*fodc_guard_memory_fn)(
	void *user, const struct fodc_guard_memory_state *state);
typedef void (*fodc_guard_memory_level_fn)(
	void *user, int before, const struct fodc_guard_memory_state *state);

struct fodc_guard_memwatch_options {
	uint64_t hard_bytes; /* or hard_percent; both 0: off */
	double hard_percent;
	uint64_t soft_bytes; /* both 0: 8/9 of hard */
	double soft_percent;
	const char *source; /* "auto" */
	/* Where the host begins to give memory back; 0: nowhere. Only to be
	 * compared: one that is not below the soft level is an event. */
	uint64_t soft_limit_bytes;
	uint64_t poll_interval_us;
	int adaptive;
	int predict;
	uint64_t deadline_ms; /* 0: none */
	uint64_t reserve_bytes;
	fodc_guard_life *life; /* outlives the watchdog; may be null */
	int crash_loop_guard;
	int kernel_events;
	int realtime_priority;
	int pressure_profiler_gauges;
	fodc_guard_memory_fn on_pressure;    /* once */
	fodc_guard_memory_level_fn on_level; /* each change of level */
	void (*flush)(void *user);	     /* when the deadline has passed */
	void *user;			     /* of these three */
	fodc_guard_event_fn on_event;
	void *on_event_user;
	fodc_guard_metrics *metrics; /* outlives the watchdog; may be null */
};

typedef struct fodc_guard_memwatch fodc_guard_memwatch;

/* Fills in the defaults; call it first. */
void fodc_guard_memwatch_options_init(
	struct fodc_guard_memwatch_options *options);
/* Takes <prefix>_MEMORY_SHUTDOWN_THRESHOLD_MB and ..._POLL_INTERVAL if they are
 * set; prefix null: FODC_GUARD. A bad value is an event. */
void fodc_guard_memwatch_read_environment(
	struct fodc_guard_memwatch_options *options, const char *prefix);
int fodc_guard_memwatch_create(
	const struct fodc_guard_memwatch_options *options,
	fodc_guard_memwatch **out);
/* Stops it. Null is fine. */
void fodc_guard_memwatch_destroy(fodc_guard_memwatch *watch);
int fodc_guard_memwatch_start(fodc_guard_memwatch *watch);
void fodc_guard_memwatch_stop(fodc_guard_memwatch *watch);
/* 1 if it is over: it fired, was stopped, or was off. */
int fodc_guard_memwatch_done(const fodc_guard_memwatch *watch);
/* Until it is. */
void fodc_guard_memwatch_wait(const fodc_guard_memwatch *watch);
void fodc_guard_memwatch_state(const fodc_guard_memwatch *watch,
			       struct fodc_guard_memory_state *out);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_MEMWATCH_H_ */
