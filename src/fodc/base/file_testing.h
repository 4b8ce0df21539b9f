// SPDX-License-Identifier: Apache-2.0
// For tests: trees of files.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc {

// Writes each file, by its path below `root`, and the directories above it.
inline void WriteTree(const std::string& root,
                      const std::map<std::string, std::string>& files) {
  for (const auto& [name, text] : files) {
    const std::string path = StrCat(root, "/", name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
  }
}

}  // namespace fodc
