// SPDX-License-Identifier: Apache-2.0
// fodcctl pprof: what profiles say, offline.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

struct PprofCommand {
  enum class Action : std::uint8_t { kTop, kDiff, kRaw };

  Action action = Action::kTop;
  std::string base;  // of kDiff
  std::string path;
  std::string sample_type;  // as pprof::TopOptions has it
  std::uint64_t count = 0;  // 0: all
  bool by_cum = false;
  bool all = false;  // also what is too small to matter
  bool json = false;
};

// Files of up to 1 GiB, packed or not.
// Errors: those of reading a file and of pprof::ReadProfile, with its path; of
// pprof::Top and Diff; of the output.
Status RunPprof(const PprofCommand& command, Output* out);

}  // namespace fodc::ctl
