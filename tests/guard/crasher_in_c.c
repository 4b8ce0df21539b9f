/* SPDX-License-Identifier: Apache-2.0
 * Arms in C, checks the errors, and dies: crasher_in_c DIRECTORY. */
#include <stdlib.h>
#include <string.h>

#include "fodc/guard/c/crash.h"

int main(int argc, char **argv)
{
	static const char *const metadata[] = { "language", "C", NULL };
	static const char *const fields[] = { "key", "k1", NULL };
	struct fodc_guard_crash_options options;

	if (argc != 2)
		return 64;
	if (fodc_guard_crash_refresh() != FODC_GUARD_FAILED_PRECONDITION)
		return 3;
	fodc_guard_crash_options_init(&options);
	if (strcmp(options.directory, "crash") != 0 ||
	    options.max_artifacts != 10)
		return 4;
	options.directory = argv[1];
	options.component = "in c";
	options.metadata = metadata;
	options.thread_wait_ms = -1;
	if (fodc_guard_crash_arm(&options) != FODC_GUARD_INVALID_ARGUMENT ||
	    strstr(fodc_guard_last_error(), "thread_wait") == NULL)
		return 5;
	options.thread_wait_ms = 1000;
	if (fodc_guard_crash_arm(&options) != FODC_GUARD_OK)
		return 6;
	if (fodc_guard_crash_arm(&options) != FODC_GUARD_ALREADY_EXISTS)
		return 7;
	if (fodc_guard_crash_cover_this_thread() != FODC_GUARD_OK ||
	    fodc_guard_crash_refresh() != FODC_GUARD_OK)
		return 8;
	fodc_guard_breadcrumb("write", NULL, fields);
	abort();
}
