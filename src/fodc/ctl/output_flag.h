// SPDX-License-Identifier: Apache-2.0
// The flag --output of commands.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace fodc::ctl {

// table or json; `json_is` says what the latter is. `*json` must outlive the
// parsing.
void AddOutputFlag(CLI::App* app, bool* json, const std::string& json_is);

}  // namespace fodc::ctl
