/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of the C functions of libfodc-guard. Each function that can fail
 * returns a code, 0 for success; what was wrong is told in words by
 * fodc_guard_last_error(). C99. */
#ifndef FODC_GUARD_C_STATUS_H_
#define FODC_GUARD_C_STATUS_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Numbered as gRPC's status codes. */
enum fodc_guard_code {
	FODC_GUARD_OK = 0,
	FODC_GUARD_CANCELLED = 1,
	FODC_GUARD_UNKNOWN = 2,
	FODC_GUARD_INVALID_ARGUMENT = 3,
	FODC_GUARD_DEADLINE_EXCEEDED = 4,
	FODC_GUARD_NOT_FOUND = 5,
	FODC_GUARD_ALREADY_EXISTS = 6,
	FODC_GUARD_PERMISSION_DENIED = 7,
	FODC_GUARD_RESOURCE_EXHAUSTED = 8,
	FODC_GUARD_FAILED_PRECONDITION = 9,
	FODC_GUARD_ABORTED = 10,
	FODC_GUARD_OUT_OF_RANGE = 11,
	FODC_GUARD_UNIMPLEMENTED = 12,
	FODC_GUARD_INTERNAL = 13,
	FODC_GUARD_UNAVAILABLE = 14,
	FODC_GUARD_DATA_LOSS = 15,
	FODC_GUARD_UNAUTHENTICATED = 16
};

/* Why the last call of this thread that failed did so. Never null; empty if
 * none has failed. Valid until the thread's next call of this library; cut at
 * 1023 bytes. */
const char *fodc_guard_last_error(void);

/* "NOT_FOUND" for FODC_GUARD_NOT_FOUND; "UNKNOWN" for a number that is none. */
const char *fodc_guard_code_name(int code);

#ifdef __cplusplus
}
#endif

#endif /* FODC_GUARD_C_STATUS_H_ */
