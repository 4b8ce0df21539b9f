// SPDX-License-Identifier: Apache-2.0
// Runs fodc-backup, and looks at what lies where.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/digests.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace fodc::test {

class BackupProgramTest : public ::testing::Test {
 protected:
  Output Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), ProgramPath("fodc-backup"));
    arguments.push_back("--log-level=warn");
    return RunToEnd(std::move(arguments), std::chrono::seconds(120));
  }
  std::string Destination() const {
    return StrCat("file://", dir_.File("there"));
  }
  // "<bytes> <sha256>" of each file below, by its path.
  static std::map<std::string, std::string> FilesIn(const std::string& root) {
    namespace fs = std::filesystem;
    std::map<std::string, std::string> files;
    if (!fs::exists(root)) return files;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      const std::string text = ReadFile(entry.path().string()).value_or("?");
      files[entry.path().lexically_relative(root).string()] =
          StrCat(text.size(), " ", object_store::Sha256TextOf(text));
    }
    return files;
  }

  const TempDirectory dir_;
};

}  // namespace fodc::test
