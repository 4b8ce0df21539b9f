// SPDX-License-Identifier: Apache-2.0
// How far a run has come: a line of the log now and then, or a bar on a
// terminal.
#pragma once

#include <string>
#include <thread>

#include "fodc/backup/run.h"

namespace fodc::backup {

// "measure  [=====>    ]  52 %  1234 of 2400 files  12.3 MiB up  4 unchanged",
// of the catalog that is under way; without a bar where the whole is not known.
// Empty before there is one.
std::string ProgressLine(const RunProgress& progress, std::size_t columns);

// From its beginning to its end, on a thread of its own. `progress` must
// outlive it.
class ProgressShow {
 public:
  // `is_terminal`: of standard error, where the bar is.
  ProgressShow(const RunProgress& progress, bool is_terminal);
  ~ProgressShow();
  ProgressShow(const ProgressShow&) = delete;
  ProgressShow& operator=(const ProgressShow&) = delete;

 private:
  const bool is_terminal_;
  std::jthread thread_;
};

}  // namespace fodc::backup
