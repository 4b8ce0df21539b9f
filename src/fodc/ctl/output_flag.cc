// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/output_flag.h"

#include <CLI/CLI.hpp>

namespace fodc::ctl {

void AddOutputFlag(CLI::App* app, bool* json, const std::string& json_is) {
  app->add_option_function<std::string>(
         "--output",
         [json](const std::string& text) {
           if (text != "table" && text != "json") {
             throw CLI::ValidationError(
                 "--output", "must be table or json, not '" + text + "'");
           }
           *json = text == "json";
         },
         "table, or json: " + json_is)
      ->type_name("table|json");
}

}  // namespace fodc::ctl
