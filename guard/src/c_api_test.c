/* SPDX-License-Identifier: Apache-2.0
 *
 * The C functions as a host in C uses them: C99, -pedantic. c_api_test.cc calls
 * it with an empty directory; what is wrong ends the process. */
#define _POSIX_C_SOURCE 200809L /* fileno, lseek */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "c_host_testing.h"
#include "fodc/guard/c/crash.h"
#include "fodc/guard/c/event.h"
#include "fodc/guard/c/isolation.h"
#include "fodc/guard/c/metrics.h"
#include "fodc/guard/c/profile.h"
#include "fodc/guard/c/status.h"
#include "fodc/guard/c/wal.h"

static char page[1 << 16];

static const char *page_of(const fodc_guard_metrics *metrics)
{
	size_t length = 0;
	EXPECT(fodc_guard_metrics_text(metrics, page, sizeof page, &length) ==
	       0);
	EXPECT(length == strlen(page));
	return page;
}

struct events {
	int count;
	char message[64];
	char last_index[32];
};

static void on_event(void *user, int level, const char *message,
		     const struct fodc_guard_field *fields, size_t count)
{
	struct events *events = user;
	size_t i;

	EXPECT(level == FODC_GUARD_WARN);
	++events->count;
	strncpy(events->message, message, sizeof events->message - 1);
	for (i = 0; i < count; ++i) {
		if (strcmp(fields[i].key, "last_index") == 0) {
			EXPECT(fields[i].is_number);
			strncpy(events->last_index, fields[i].value,
				sizeof events->last_index - 1);
		}
	}
}

static void test_status(void)
{
	EXPECT(strcmp(fodc_guard_code_name(FODC_GUARD_NOT_FOUND),
		      "NOT_FOUND") == 0);
	EXPECT(strcmp(fodc_guard_code_name(-1), "UNKNOWN") == 0);
	EXPECT(strcmp(fodc_guard_code_name(99), "UNKNOWN") == 0);
	EXPECT(strcmp(fodc_guard_last_error(), "") == 0);
	EXPECT(fodc_guard_wal_sync(NULL) == FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(strcmp(fodc_guard_last_error(), "wal is null") == 0);
}

struct visited {
	int families;
	int histograms;
	int samples;
	double repairs;
};

static void on_family(void *user, const char *name, const char *help, int type)
{
	struct visited *visited = user;

	EXPECT(strncmp(name, "fodc_guard_", 11) == 0);
	EXPECT(strlen(help) > 0);
	++visited->families;
	if (type == FODC_GUARD_HISTOGRAM)
		++visited->histograms;
}

static void on_sample(void *user, const char *name,
		      const struct fodc_guard_label *labels, size_t count,
		      double value)
{
	struct visited *visited = user;

	++visited->samples;
	if (strcmp(name, "fodc_guard_wal_tail_repairs_total") == 0 &&
	    count == 1 && strcmp(labels[0].name, "result") == 0 &&
	    strcmp(labels[0].value, "repaired") == 0)
		visited->repairs = value;
}

static void test_visit(const fodc_guard_metrics *metrics)
{
	struct fodc_guard_metric_visitor visitor = {on_family, on_sample};
	struct visited visited = {0, 0, 0, -1};

	EXPECT(fodc_guard_metrics_visit(metrics, &visitor, &visited) == 0);
	EXPECT(visited.families > 10);
	EXPECT(visited.histograms > 0);
	EXPECT(visited.samples > 10);
	EXPECT(visited.repairs == 0);
	visitor.sample = NULL;
	EXPECT(fodc_guard_metrics_visit(metrics, &visitor, &visited) == 0);
	EXPECT(fodc_guard_metrics_visit(metrics, NULL, NULL) ==
	       FODC_GUARD_INVALID_ARGUMENT);
}

static void test_metrics(void)
{
	fodc_guard_metrics *metrics = NULL;
	char small[8] = "as it is";
	size_t length = 0;

	EXPECT(fodc_guard_metrics_create(NULL) == FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(fodc_guard_metrics_create(&metrics) == 0);
	EXPECT(fodc_guard_metrics_text(metrics, small, sizeof small, &length) ==
	       FODC_GUARD_OUT_OF_RANGE);
	EXPECT(length > sizeof small);
	EXPECT(small[0] == 'a');
	EXPECT(strstr(page_of(metrics), "fodc_guard_memory_level 0\n") != NULL);
	test_visit(metrics);
	fodc_guard_metrics_destroy(metrics);
	fodc_guard_metrics_destroy(NULL);
}

static void test_isolation(void)
{
	static const char *const names[] = {"read", "scan"};
	struct fodc_guard_isolation_options options;
	struct fodc_guard_work_request request = {0, "user", 0, NULL};
	struct fodc_guard_work script, call, refused;
	struct fodc_guard_connection a, b;
	struct fodc_guard_body body;
	fodc_guard_isolation *isolation = NULL;
	fodc_guard_metrics *metrics = NULL;
	int should_tell = 0;

	fodc_guard_isolation_options_init(&options);
	EXPECT(options.heavy_per_peer == 8);
	EXPECT(options.connections_per_address == 512);
	EXPECT(options.budget_bytes == 268435456);
	EXPECT(options.restore_after_ms == 5000);
	EXPECT(fodc_guard_metrics_create(&metrics) == 0);
	options.slots = 1;
	options.class_names = names;
	options.class_count = 2;
	options.connections_per_address = 1;
	options.budget_bytes = 1000;
	options.unit_bytes = 10;
	options.metrics = metrics;
	EXPECT(fodc_guard_isolation_create(&options, &isolation) == 0);

	/* A script, what it calls, and one too many. */
	EXPECT(fodc_guard_admit(isolation, &request, &script) == 0);
	request.parent = &script;
	request.timeout_ms = 60000;
	EXPECT(fodc_guard_admit(isolation, &request, &call) == 0);
	EXPECT(!fodc_guard_work_is_cancelled(&call));
	request.parent = NULL;
	EXPECT(fodc_guard_admit(isolation, &request, &refused) ==
	       FODC_GUARD_UNAVAILABLE);
	EXPECT(strcmp(fodc_guard_last_error(), "refused: full") == 0);
	fodc_guard_work_release(&refused);
	fodc_guard_work_release(&call);
	fodc_guard_work_release(&script);
	fodc_guard_work_release(&script);
	request.timeout_ms = UINT64_MAX;
	EXPECT(fodc_guard_admit(isolation, &request, &script) == 0);
	fodc_guard_work_release(&script);
	EXPECT(fodc_guard_admit(isolation, NULL, &script) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	fodc_guard_work_release(&script);
	/* A mistake of the host's is no refusal. */
	request.class_index = 2;
	EXPECT(fodc_guard_admit(isolation, &request, &script) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(strcmp(fodc_guard_last_error(), "class 2 of 2 is none") == 0);
	fodc_guard_work_release(&script);
	EXPECT(strstr(page_of(metrics), "fodc_guard_rejected_total{class="
					"\"scan\",reason=\"full\"} 0\n") !=
	       NULL);

	EXPECT(fodc_guard_connect(isolation, "10.0.0.1", &a, NULL) == 0);
	EXPECT(fodc_guard_connect(isolation, "10.0.0.1", &b, &should_tell) ==
	       FODC_GUARD_UNAVAILABLE);
	EXPECT(should_tell == 1);
	EXPECT(strcmp(fodc_guard_last_error(), "refused: peer") == 0);
	fodc_guard_connection_release(&b);
	fodc_guard_connection_release(&a);

	EXPECT(fodc_guard_body_peek(isolation, 5000) ==
	       FODC_GUARD_OUT_OF_RANGE);
	EXPECT(fodc_guard_body_peek(isolation, 25) == 0);
	fodc_guard_body_begin(isolation, 25, &body);
	while (fodc_guard_body_next_bytes(&body) > 0)
		EXPECT(fodc_guard_body_take(
			       isolation, &body,
			       fodc_guard_body_next_bytes(&body)) == 0);
	fodc_guard_isolation_update_metrics(isolation);
	EXPECT(strstr(page_of(metrics), "fodc_guard_inflight_bytes{class="
					"\"large_body\"} 25\n") != NULL);
	fodc_guard_body_give(&body, 5);
	fodc_guard_body_release(&body);

	EXPECT(fodc_guard_isolation_set_level(isolation, 3) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(fodc_guard_isolation_set_level(isolation, 2) == 0);
	EXPECT(fodc_guard_body_peek(isolation, 25) == FODC_GUARD_UNAVAILABLE);
	EXPECT(strcmp(fodc_guard_last_error(), "refused: memory") == 0);
	fodc_guard_isolation_update_metrics(isolation);
	EXPECT(strstr(page_of(metrics), "fodc_guard_inflight_bytes{class="
					"\"large_body\"} 0\n") != NULL);
	fodc_guard_isolation_destroy(isolation);
	fodc_guard_metrics_destroy(metrics);
}

static void test_guarantees(void)
{
	static const char *const names[] = {"read", "scan"};
	static const unsigned guaranteed[] = {2, FODC_GUARD_BY_WEIGHT};
	struct fodc_guard_isolation_options options;
	struct fodc_guard_work_request request = {1, NULL, 0, NULL};
	struct fodc_guard_work a, b, c;
	fodc_guard_isolation *isolation = NULL;

	fodc_guard_isolation_options_init(&options);
	EXPECT(options.guaranteed_percent > 0);
	options.slots = 4;
	options.class_names = names;
	options.class_guaranteed = guaranteed;
	options.class_count = 2;
	options.guaranteed_percent = 51;
	EXPECT(fodc_guard_isolation_create(&options, &isolation) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	options.guaranteed_percent = 50;
	EXPECT(fodc_guard_isolation_create(&options, &isolation) == 0);
	/* Two are for those who read, whatever comes. */
	EXPECT(fodc_guard_admit(isolation, &request, &a) == 0);
	EXPECT(fodc_guard_admit(isolation, &request, &b) == 0);
	EXPECT(fodc_guard_admit(isolation, &request, &c) ==
	       FODC_GUARD_UNAVAILABLE);
	fodc_guard_work_release(&c);
	request.class_index = 0;
	EXPECT(fodc_guard_admit(isolation, &request, &c) == 0);
	fodc_guard_work_release(&c);
	fodc_guard_work_release(&b);
	fodc_guard_work_release(&a);
	fodc_guard_isolation_destroy(isolation);
}

static int add_bytes(void *user, const struct fodc_guard_wal_record *record)
{
	size_t *bytes = user;

	EXPECT(record->kind == 7);
	*bytes += record->payload_bytes;
	return 0;
}

static int end_at_once(void *user, const struct fodc_guard_wal_record *record)
{
	(void)user;
	(void)record;
	return 1;
}

static void cut_last_segment(const char *directory, long bytes)
{
	char path[4096];
	char content[4096];
	size_t size;
	FILE *file;

	snprintf(path, sizeof path, "%s/0000000000000001.wal", directory);
	file = fopen(path, "rb");
	EXPECT(file != NULL);
	size = fread(content, 1, sizeof content, file);
	fclose(file);
	file = fopen(path, "wb");
	EXPECT(file != NULL);
	EXPECT(fwrite(content, 1, size - (size_t)bytes, file) ==
	       size - (size_t)bytes);
	fclose(file);
}

static void test_wal(const char *directory)
{
	struct fodc_guard_wal_options options;
	struct fodc_guard_wal_record batch[3] = {
		{0, "one", 3, 7}, {0, "three", 5, 7}, {0, NULL, 0, 7}};
	struct fodc_guard_wal_summary summary;
	struct events events = {0, "", ""};
	fodc_guard_metrics *metrics = NULL;
	fodc_guard_wal *wal = NULL, *second = NULL;
	size_t bytes = 0;
	struct fodc_guard_wal_counters counters;
	uint64_t size;

	EXPECT(fodc_guard_metrics_create(&metrics) == 0);
	fodc_guard_wal_options_init(&options);
	EXPECT(fodc_guard_wal_open(&options, &wal) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(wal == NULL);
	options.directory = directory;
	options.on_event = on_event;
	options.on_event_user = &events;
	options.metrics = metrics;
	options.mode = 9;
	EXPECT(fodc_guard_wal_open(&options, &wal) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	options.mode = FODC_GUARD_WAL_TAIL;
	EXPECT(fodc_guard_wal_open(&options, &wal) == 0);
	EXPECT(fodc_guard_wal_open(&options, &second) ==
	       FODC_GUARD_UNAVAILABLE);
	EXPECT(fodc_guard_wal_append(wal, batch, 3) ==
	       FODC_GUARD_FAILED_PRECONDITION);
	EXPECT(fodc_guard_wal_read(wal, NULL, NULL, NULL, NULL) == 0);
	EXPECT(fodc_guard_wal_append(wal, batch, 3) == 0);
	EXPECT(fodc_guard_wal_sync(wal) == 0);
	EXPECT(fodc_guard_wal_last_sequence(wal) == 3);
	fodc_guard_wal_close(wal);

	cut_last_segment(directory, 5);
	options.must_exist = 1;
	EXPECT(fodc_guard_wal_open(&options, &wal) == 0);
	EXPECT(fodc_guard_wal_read(wal, "replay", add_bytes, &bytes,
				   &summary) == 0);
	EXPECT(bytes == 8);
	EXPECT(summary.records == 2);
	EXPECT(summary.last_sequence == 2);
	EXPECT(summary.repaired == 1);
	EXPECT(events.count == 1);
	EXPECT(strcmp(events.message, "WAL tail truncated, repairing") == 0);
	EXPECT(strcmp(events.last_index, "2") == 0);
	EXPECT(strstr(page_of(metrics), "fodc_guard_wal_tail_repairs_total{"
					"result=\"repaired\"} 1\n") != NULL);
	EXPECT(fodc_guard_wal_read(wal, NULL, end_at_once, NULL, NULL) ==
	       FODC_GUARD_ABORTED);
	EXPECT(fodc_guard_wal_append(wal, batch, 1) == 0);
	EXPECT(fodc_guard_wal_drop_before(wal, 2) == 0);
	fodc_guard_wal_count(wal, &counters);
	EXPECT(counters.repaired == 1);
	EXPECT(counters.dropped_bytes > 0);
	EXPECT(counters.appended_records == 1);
	EXPECT(fodc_guard_wal_next_sequence(wal) == 4);
	size = fodc_guard_wal_size_bytes(wal);
	EXPECT(size > 0);
	/* What was in the segment that is over goes. */
	EXPECT(fodc_guard_wal_roll(wal) == 0);
	EXPECT(fodc_guard_wal_append(wal, batch, 1) == 0);
	EXPECT(fodc_guard_wal_drop_before(wal, 4) == 0);
	EXPECT(fodc_guard_wal_size_bytes(wal) < size);
	batch[2].payload_bytes = 1;
	EXPECT(fodc_guard_wal_append(wal, batch, 3) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	fodc_guard_wal_close(wal);
	fodc_guard_wal_close(NULL);
	fodc_guard_metrics_destroy(metrics);
}

static void test_profiles(void)
{
	struct fodc_guard_profile_server_options options;
	fodc_guard_profile_server *server = NULL;
	int source = -1;
	FILE *file = tmpfile();

	fodc_guard_profile_server_options_init(&options);
	options.listen = "somewhere";
	EXPECT(fodc_guard_profile_server_start(&options, &server) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(strstr(fodc_guard_last_error(), "'somewhere'") != NULL);
	EXPECT(server == NULL);
	options.listen = "127.0.0.1:0";
	EXPECT(fodc_guard_profile_server_start(&options, &server) == 0);
	EXPECT(strncmp(fodc_guard_profile_server_address(server), "127.0.0.1:",
		       10) == 0);
	fodc_guard_profile_server_stop(server);
	fodc_guard_profile_server_stop(NULL);

	EXPECT(file != NULL);
	EXPECT(fodc_guard_write_thread_profile(fileno(file)) == 0);
	EXPECT(lseek(fileno(file), 0, SEEK_CUR) > 100);
	EXPECT(fodc_guard_write_allocator_text(fileno(file)) == 0);
	fclose(file);

	EXPECT(fodc_guard_write_heap_profile(1, 99) ==
	       FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(fodc_guard_find_heap_source(FODC_GUARD_HEAP_SAMPLER, &source) ==
	       FODC_GUARD_FAILED_PRECONDITION);
	EXPECT(fodc_guard_heap_table_fd(&source) ==
	       FODC_GUARD_FAILED_PRECONDITION);
}

static void test_crash(void)
{
	fodc_guard_crash_options_init(NULL);
	EXPECT(fodc_guard_crash_arm(NULL) == FODC_GUARD_INVALID_ARGUMENT);
	EXPECT(fodc_guard_crash_refresh() == FODC_GUARD_FAILED_PRECONDITION);
}

int fodc_guard_c_api_test(const char *directory);

int fodc_guard_c_api_test(const char *directory)
{
	test_status();
	test_metrics();
	test_isolation();
	test_guarantees();
	test_profiles();
	test_crash();
	test_wal(directory);
	return 0;
}
