// SPDX-License-Identifier: Apache-2.0
// A caught exception on disk.
#pragma once

#include <cstddef>
#include <string>

#include "fodc/base/status.h"
#include "fodc/guard/panic.h"

namespace fodc::guard {

// The bytes of panic.json. Without memory it throws.
std::string PanicJson(const PanicRecord& record);

// Below `root`: the state dump (if it is not empty) first, panic.json last;
// then the artifacts are pruned. A dump that cannot be written is told in
// panic.json. Errors: as mkdir(2), write(2), rename(2); nothing is left then.
Status WritePanicArtifact(const std::string& root, std::size_t max_artifacts,
                          const PanicRecord& record, const std::string& dump);

}  // namespace fodc::guard
