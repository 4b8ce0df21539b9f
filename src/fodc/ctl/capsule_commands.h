// SPDX-License-Identifier: Apache-2.0
// fodcctl capsule: evidence in a file, without a proxy.
#pragma once

#include <string>

#include "fodc/base/status.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

struct CapsuleCommand {
  std::string path;
  std::string directory;  // to extract it into; empty: it is not
  bool json = false;
};

// Checks all of the capsule before anything is shown or extracted. When a
// recording in it is damaged, *is_damaged is set and the rest is told all the
// same.
// Errors: as ReadCapsuleStory and evidence::ExtractCapsule; of the output.
// Nothing is extracted then.
Status RunCapsule(const CapsuleCommand& command, Output* out, Output* errors,
                  bool* is_damaged);

}  // namespace fodc::ctl
