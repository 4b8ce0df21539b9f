// SPDX-License-Identifier: Apache-2.0
// deploy/rolling-update, run with an environment of its own, and with stand-ins
// for docker, systemctl and ssh that write down how they were called.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "tests/support/process.h"

namespace fodc::test {

using Words = std::vector<std::string>;

class RollTest : public testing::Test {
 protected:
  RollTest();

  // The words of one run; what stands in `env` and nothing else is set.
  Words Argv(const Words& args,
             const std::map<std::string, std::string>& env = {}) const;
  Output Roll(const Words& args,
              const std::map<std::string, std::string>& env = {}) const;
  // The same, with a container of its own for each node: no pull, no check.
  Output RollDocker(Words args,
                    const std::map<std::string, std::string>& env = {}) const;

  // How the stand-ins were called since the last Calls(), program first.
  std::vector<Words> Calls();
  // Of those, the one that begins with `words`; empty if it is not one.
  Words CallThatBegins(const Words& words);

  std::string WriteConfig(const std::string& text) const;
  void Write(const std::string& file, const std::string& text) const;
  std::string Read(const std::string& file) const;
  std::string File(const std::string& file) const { return dir_.File(file); }

 private:
  TempDirectory dir_{"fodc-roll"};
};

// The words behind each `flag` of a call.
Words ValuesOf(const Words& call, const std::string& flag);

}  // namespace fodc::test
