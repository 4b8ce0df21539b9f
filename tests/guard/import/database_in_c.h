/* SPDX-License-Identifier: Apache-2.0
 *
 * As database.h, for the program in C. C99 has neither threads nor a sleep: it
 * takes memory as fast as it can. */
#pragma once

#include <fodc/guard/c/event.h>
#include <fodc/guard/c/status.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t is_stop_asked;

static void ask_to_stop(void) { is_stop_asked = 1; }

static void log_event(void* user, int level, const char* message,
                      const struct fodc_guard_field* fields, size_t count) {
  size_t i;

  (void)user;
  (void)level;
  fprintf(stderr, "%s", message);
  for (i = 0; i < count; ++i)
    fprintf(stderr, " %s=%s", fields[i].key, fields[i].value);
  fprintf(stderr, "\n");
}

static const char* run_database(void) {
  const size_t bytes = (size_t)128 << 20;
  const char* what = getenv("DATABASE");
  char* held;

  if (what == NULL) return "no DATABASE";
  if (strcmp(what, "crashes") == 0) raise(SIGSEGV);
  if (strncmp(what, "grows", 5) == 0) {
    held = malloc(bytes);
    if (held == NULL) abort();
    /* Kept from being seen through. */
    while (!is_stop_asked) memset(held, is_stop_asked + 1, bytes);
    if (held[bytes - 1] != 1) abort();
    free(held);
  }
  if (strstr(what, "fails") != NULL) return "the listener failed";
  return NULL;
}
