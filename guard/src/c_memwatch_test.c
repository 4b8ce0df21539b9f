/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog and the soft limit as a host in C uses them: C99, -pedantic.
 * c_memwatch_test.cc calls it with an empty directory; what is wrong ends the
 * process. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_host_testing.h"
#include "fodc/guard/c/memwatch.h"
#include "fodc/guard/c/soft_limit.h"
#include "fodc/guard/c/status.h"

struct seen {
	int fired;
	int before;
	int level;
	uint64_t bytes;
	int shutdown_lines;
	int error_lines;
};

static void on_pressure(void *user,
			const struct fodc_guard_memory_state *state)
{
	struct seen *seen = user;
	++seen->fired;
	seen->bytes = state->bytes;
	EXPECT(strcmp(state->source, "rss") == 0);
	EXPECT(state->rss_bytes == state->bytes);
	EXPECT(state->threshold_bytes == 4096);
	EXPECT(state->limit_bytes > 0);
}

static void on_level(void *user, int before,
		     const struct fodc_guard_memory_state *state)
{
	struct seen *seen = user;
	seen->before = before;
	seen->level = state->level;
}

static void on_event(void *user, int level, const char *message,
		     const struct fodc_guard_field *fields, size_t count)
{
	struct seen *seen = user;
	(void)level;
	(void)fields;
	(void)count;
	if (strcmp(message, "memory pressure shutdown") == 0)
		++seen->shutdown_lines;
	if (strcmp(message, "shutdown error after memory pressure") == 0)
		++seen->error_lines;
}

static void test_pressure(const char *directory)
{
	struct seen seen = {0, -1, -1, 0, 0, 0};
	struct fodc_guard_last_exit last;
	struct fodc_guard_life_options life_options;
	struct fodc_guard_memwatch_options options;
	struct fodc_guard_memory_state state;
	fodc_guard_life *life = NULL;
	fodc_guard_memwatch *watch = NULL;

	fodc_guard_life_options_init(&life_options);
	life_options.directory = directory;
	life_options.on_event = on_event;
	life_options.on_event_user = &seen;
	EXPECT(fodc_guard_life_begin(&life_options, &life) == 0);
	EXPECT(fodc_guard_life_previous(life) == FODC_GUARD_EXIT_NONE);

	fodc_guard_memwatch_options_init(&options);
	EXPECT(options.poll_interval_us == 1000000);
	EXPECT(options.deadline_ms == 10000);
	options.hard_bytes = 4096;
	options.source = "rss";
	options.life = life;
	options.on_pressure = on_pressure;
	options.on_level = on_level;
	options.user = &seen;
	options.on_event = on_event;
	options.on_event_user = &seen;
	EXPECT(fodc_guard_memwatch_create(&options, &watch) == 0);
	EXPECT(fodc_guard_memwatch_start(watch) == 0);
	fodc_guard_memwatch_wait(watch);
	EXPECT(fodc_guard_memwatch_done(watch) == 1);
	fodc_guard_memwatch_state(watch, &state);
	EXPECT(state.level == FODC_GUARD_MEMORY_HARD);
	fodc_guard_memwatch_destroy(watch);
	EXPECT(seen.fired == 1);
	EXPECT(seen.bytes > 4096 && seen.bytes != FODC_GUARD_BYTES_UNKNOWN);
	EXPECT(seen.before == FODC_GUARD_MEMORY_NORMAL);
	EXPECT(seen.level == FODC_GUARD_MEMORY_HARD);
	EXPECT(seen.shutdown_lines == 1);
	EXPECT(fodc_guard_life_claim(life, FODC_GUARD_EXIT_STOP) == 0);
	EXPECT(fodc_guard_life_conclude(life, FODC_GUARD_CANCELLED, "own") ==
	       2);
	EXPECT(seen.error_lines == 0);
	EXPECT(fodc_guard_life_conclude(life, FODC_GUARD_INTERNAL, "x") == 2);
	EXPECT(seen.error_lines == 1);
	fodc_guard_life_destroy(life);

	EXPECT(fodc_guard_life_begin(&life_options, &life) == 0);
	EXPECT(fodc_guard_life_previous(life) == FODC_GUARD_EXIT_PRESSURE);
	fodc_guard_life_last_exit(life, &last);
	EXPECT(last.cause == FODC_GUARD_EXIT_PRESSURE);
	EXPECT(last.unix_ms > 0);
	EXPECT(last.threshold_bytes == 4096);
	EXPECT(last.rss_bytes > 4096);
	EXPECT(last.pressure_streak == 1);
	EXPECT(fodc_guard_life_conclude(life, 0, "cannot listen") == 1);
	fodc_guard_life_destroy(life);

	/* Of a host that leaves by another way. */
	EXPECT(fodc_guard_life_begin(&life_options, &life) == 0);
	EXPECT(fodc_guard_life_end(life, FODC_GUARD_EXIT_STOP) == 1);
	EXPECT(fodc_guard_life_end(life, FODC_GUARD_EXIT_ERROR) == 0);
	fodc_guard_life_destroy(life);
	EXPECT(fodc_guard_life_begin(&life_options, &life) == 0);
	EXPECT(fodc_guard_life_previous(life) == FODC_GUARD_EXIT_STOP);
	fodc_guard_life_destroy(life);
	EXPECT(fodc_guard_life_end(NULL, FODC_GUARD_EXIT_STOP) == 0);
	fodc_guard_life_last_exit(NULL, &last);
	EXPECT(last.cause == FODC_GUARD_EXIT_NONE);
	fodc_guard_life_destroy(NULL);
}

static void test_bad_options(void)
{
	struct fodc_guard_memwatch_options options;
	struct fodc_guard_life_options life_options;
	fodc_guard_memwatch *watch = NULL;
	fodc_guard_life *life = NULL;

	fodc_guard_life_options_init(&life_options);
	life_options.pressure_exit_code = 126;
	EXPECT(fodc_guard_life_begin(&life_options, &life) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	fodc_guard_memwatch_options_init(&options);
	options.source = "heap";
	EXPECT(fodc_guard_memwatch_create(&options, &watch) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(strstr(fodc_guard_last_error(), "\"heap\"") != NULL);
	EXPECT(watch == NULL);
	/* Off. */
	options.source = NULL;
	EXPECT(fodc_guard_memwatch_create(&options, &watch) == 0);
	EXPECT(fodc_guard_memwatch_start(watch) == 0);
	EXPECT(fodc_guard_memwatch_done(watch) == 1);
	fodc_guard_memwatch_stop(watch);
	fodc_guard_memwatch_destroy(watch);
	EXPECT(fodc_guard_memwatch_create(NULL, &watch) ==
	       FODC_GUARD_INVALID_ARGUMENT);
}

/* The environment is set by the caller. */
static void test_environment(void)
{
	struct fodc_guard_memwatch_options options;

	fodc_guard_memwatch_options_init(&options);
	fodc_guard_memwatch_read_environment(&options, "T3");
	EXPECT(options.hard_bytes == (uint64_t)7 << 20);
	EXPECT(options.poll_interval_us == 250000);
}

static void never(void *user, uint64_t bytes)
{
	(void)user;
	(void)bytes;
	EXPECT(0);
}

static void test_soft_limit(void)
{
	struct fodc_guard_soft_limit_options options = {"99%", NULL, NULL,
							NULL};
	fodc_guard_soft_limiter *limiter = NULL;

	EXPECT(fodc_guard_soft_limiter_create(&options, &limiter) == 0);
	EXPECT(fodc_guard_soft_limiter_bytes(limiter) > 0);
	EXPECT(fodc_guard_soft_limiter_add_cache(limiter, "block", 2, 1, never,
						 NULL) == 0);
	EXPECT(fodc_guard_soft_limiter_add_cache(limiter, "block", 1, 2, never,
						 NULL) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(fodc_guard_soft_limiter_start(limiter) == 0);
	fodc_guard_soft_limiter_on_level(limiter, FODC_GUARD_MEMORY_SOFT);
	fodc_guard_soft_limiter_destroy(limiter);
	options.limit = "";
	EXPECT(fodc_guard_soft_limiter_create(&options, &limiter) == 0);
	EXPECT(fodc_guard_soft_limiter_bytes(limiter) == 0);
	fodc_guard_soft_limiter_destroy(limiter);
	options.limit = "lots";
	EXPECT(fodc_guard_soft_limiter_create(&options, &limiter) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(limiter == NULL);
	fodc_guard_soft_limiter_destroy(NULL);
}

int fodc_guard_c_memwatch_test(const char *directory);

int fodc_guard_c_memwatch_test(const char *directory)
{
	test_pressure(directory);
	test_bad_options();
	test_environment();
	test_soft_limit();
	return 0;
}
