// SPDX-License-Identifier: Apache-2.0
// The command line of fodcctl pprof.
#pragma once

#include <optional>

#include "fodc/ctl/pprof_commands.h"

namespace CLI {
class App;
}

namespace fodc::ctl {

// Must outlive the parsing. Not thread-safe.
class PprofFlags {
 public:
  // Adds the command and what is below it.
  void AddTo(CLI::App* app);
  // What was given, if it was this command.
  std::optional<PprofCommand> Parsed() const;

 private:
  void AddReport(CLI::App* app);
  void AddFile(CLI::App* app, std::string* path, const std::string& name);

  PprofCommand command_;
  CLI::App* top_ = nullptr;
  CLI::App* diff_ = nullptr;
  CLI::App* raw_ = nullptr;
};

}  // namespace fodc::ctl
