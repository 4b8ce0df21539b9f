// SPDX-License-Identifier: Apache-2.0
// The commands that ask a proxy.
#pragma once

#include <cstddef>
#include <functional>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

// Where the table goes, and whether it can be redrawn there.
struct Screen {
  Output* out = nullptr;
  Output* errors = nullptr;
  bool is_terminal = false;
  // Of the terminal: a longer line takes several. Null or 0: none does.
  std::function<std::size_t()> columns = nullptr;
};

// With `watch`, asks over and over; a failed question is written to
// `screen.errors` and the next one is asked all the same. Its result is that of
// the last question.
Status RunNodes(const NodesCommand& command, const Screen& screen,
                const Clock& clock);
// When nothing is there because no node has this role and pod, `errors` gets
// that.
Status RunIncidents(const IncidentsCommand& command, Output* out,
                    Output* errors, const Clock& clock);
// Of an answer without a sample, `errors` gets the reason.
Status RunMetrics(const MetricsCommand& command, Output* out, Output* errors);
Status RunWindow(const WindowCommand& command, Output* out, Output* errors,
                 const Clock& clock);

}  // namespace fodc::ctl
