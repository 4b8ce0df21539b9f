// SPDX-License-Identifier: Apache-2.0
#include "tests/support/paths.h"

namespace fodc::test {

std::string SourcePath(std::string_view relative) {
  return std::string(FODC_SOURCE_DIR "/").append(relative);
}

std::string ProgramPath(std::string_view name) {
  return std::string(FODC_BINARY_DIR "/bin/").append(name);
}

}  // namespace fodc::test
