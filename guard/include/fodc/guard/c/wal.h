/* SPDX-License-Identifier: Apache-2.0
 *
 * The log with torn-tail repair, for C: fodc/guard/wal.h and fodc/wal/wal.h
 * tell what the functions do. C99.
 *
 * A start: open, read once, then append and sync before anything is
 * acknowledged. */
#ifndef FODC_GUARD_C_WAL_H_
#define FODC_GUARD_C_WAL_H_

#include <stddef.h>
#include <stdint.h>

#include "fodc/guard/c/event.h"
#include "fodc/guard/c/metrics.h"
#include "fodc/guard/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thread at a time. */
typedef struct fodc_guard_wal fodc_guard_wal;

enum fodc_guard_wal_mode {
	FODC_GUARD_WAL_TAIL = 0,	 /* a torn tail is cut off */
	FODC_GUARD_WAL_STRICT = 1,	 /* nothing is repaired */
	FODC_GUARD_WAL_POINT_IN_TIME = 2 /* cut at the first bad record */
};

struct fodc_guard_wal_options {
	const char *directory;
	uint64_t segment_bytes;
	uint64_t first_sequence; /* of a new log */
	int mode;
	int preallocate;
	int must_exist; /* a directory without a segment is an error */
	fodc_guard_event_fn on_event; /* may be null */
	void *on_event_user;
	fodc_guard_metrics *metrics; /* may be null */
};

/* The defaults; the directory is null. To be called first. */
void fodc_guard_wal_options_init(struct fodc_guard_wal_options *options);

/* FODC_GUARD_UNAVAILABLE: another one holds the directory. */
int fodc_guard_wal_open(const struct fodc_guard_wal_options *options,
			fodc_guard_wal **out);
/* Null is fine. What was not synced may be lost. */
void fodc_guard_wal_close(fodc_guard_wal *wal);

struct fodc_guard_wal_record {
	uint64_t sequence; /* not looked at by append */
	const void *payload;
	size_t payload_bytes;
	uint16_t kind; /* the user's */
};

/* Gets each good record, in order; it lives until this returns. Anything but 0
 * ends the read, which then returns FODC_GUARD_ABORTED. */
typedef int (*fodc_guard_wal_record_fn)(
	void *user, const struct fodc_guard_wal_record *record);

struct fodc_guard_wal_summary {
	uint64_t records;
	uint64_t last_sequence; /* 0: none */
	uint64_t payload_bytes;
	uint64_t flipped_end_marks;
	int repaired;
};

/* `phase` names the reader in the event of a repair; null is "read".
 * `record` and `summary` may be null. FODC_GUARD_DATA_LOSS: the log is damaged
 * in a way that is not repaired, or could not be. */
int fodc_guard_wal_read(fodc_guard_wal *wal, const char *phase,
			fodc_guard_wal_record_fn record, void *user,
			struct fodc_guard_wal_summary *summary);

int fodc_guard_wal_append(fodc_guard_wal *wal,
			  const struct fodc_guard_wal_record *records,
			  size_t count);
/* After a failure the log takes no more: open it anew. */
int fodc_guard_wal_sync(fodc_guard_wal *wal);
/* Removes segments whose records all come before `sequence`. */
int fodc_guard_wal_drop_before(fodc_guard_wal *wal, uint64_t sequence);
/* Ends the segment that is written to: a drop may take it then. */
int fodc_guard_wal_roll(fodc_guard_wal *wal);
/* Of the last good record, read or appended. */
uint64_t fodc_guard_wal_last_sequence(const fodc_guard_wal *wal);
/* What the next record gets. */
uint64_t fodc_guard_wal_next_sequence(const fodc_guard_wal *wal);
uint64_t fodc_guard_wal_size_bytes(const fodc_guard_wal *wal); /* on disk */

/* Since it was opened. */
struct fodc_guard_wal_counters {
	uint64_t repaired;
	uint64_t unrepairable;
	uint64_t unrepairable_after_repair;
	uint64_t dropped_bytes;
	uint64_t appended_records;
	uint64_t appended_bytes;
	uint64_t syncs;
};
void fodc_guard_wal_count(const fodc_guard_wal *wal,
			  struct fodc_guard_wal_counters *out);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_WAL_H_ */
