// SPDX-License-Identifier: Apache-2.0
// Preloaded into one process by clock_test: its wall clock is moved by as many
// milliseconds as the file FODC_CLOCK_SHIM says. The monotonic clock is left
// alone.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long offset_ms(void) {
  const char* path = getenv("FODC_CLOCK_SHIM");
  char text[32] = {0};
  int fd;
  if (path == NULL) return 0;
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (read(fd, text, sizeof text - 1) < 0) text[0] = '\0';
  close(fd);
  return atoll(text);
}

int clock_gettime(clockid_t clock, struct timespec* t) {
  const int rc = (int)syscall(SYS_clock_gettime, clock, t);
  if (rc == 0 && clock == CLOCK_REALTIME) {
    long long ns = (long long)t->tv_nsec + offset_ms() % 1000 * 1000000;
    t->tv_sec += offset_ms() / 1000 + ns / 1000000000;
    ns %= 1000000000;
    if (ns < 0) {
      ns += 1000000000;
      t->tv_sec -= 1;
    }
    t->tv_nsec = ns;
  }
  return rc;
}
