/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests written in C: what is wrong ends the process. */
#ifndef FODC_GUARD_C_HOST_TESTING_H
#define FODC_GUARD_C_HOST_TESTING_H

#include <stdio.h>
#include <stdlib.h>

#include "fodc/guard/c/status.h"

#define EXPECT(condition)                                                 \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, \
              #condition, fodc_guard_last_error());                       \
      exit(1);                                                            \
    }                                                                     \
  } while (0)

#endif /* FODC_GUARD_C_HOST_TESTING_H */
