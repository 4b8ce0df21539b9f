// SPDX-License-Identifier: Apache-2.0
// The commands that read and make recordings, without a proxy.
#pragma once

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

// What is damaged is told, by `stat` in its text and by `cat` on `errors`, and
// *is_damaged is set; what is whole is shown all the same.
// Errors: kNotFound and the like for a path that is no recording.
Status RunStat(const StatCommand& command, Output* out, Output* errors,
               bool* is_damaged);
Status RunCat(const CatCommand& command, Output* out, Output* errors,
              bool* is_damaged);

// Merges the frames of all files by their times into one recording, each file
// a source whose series get the label `recording`: the file's stem. Files with
// other names are left out and named on `errors`. The file is written whole or
// not at all.
Status RunImport(const ImportCommand& command, Output* out, Output* errors,
                 bool* is_damaged);

}  // namespace fodc::ctl
