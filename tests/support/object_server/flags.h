// SPDX-License-Identifier: Apache-2.0
// The program's flags: one for each of Options.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fodc/program/flags.h"
#include "tests/support/object_server/options.h"

namespace fodc::object_server {

class ServerFlags {
 public:
  ServerFlags();
  // Once. The options are whole if the outcome says to run.
  program::ParseOutcome Parse(int argc, const char* const* argv);
  const Options& options() const { return options_; }

 private:
  program::Flags flags_;
  Options options_;
  std::string kind_ = "s3";
  std::int64_t port_ = 0;
  bool no_bucket_ = false;
  std::int64_t page_size_ = 0;
  std::int64_t generate_ = 0;
  std::string gcs_public_key_file_;
  std::string azure_federated_key_file_;
  std::chrono::nanoseconds token_lifetime_ = std::chrono::hours(1);
  std::string faults_;
};

}  // namespace fodc::object_server
