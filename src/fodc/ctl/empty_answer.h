// SPDX-License-Identifier: Apache-2.0
// Tells why there is nothing in an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"
#include "fodc/ctl/proxy_client.h"
#include "fodc/ctl/recording_reader.h"

namespace fodc::ctl {

// Passes on what is written, and finds out whether a sample was in it.
class SampleWatch final : public Output {
 public:
  // `out` must outlive it.
  SampleWatch(Output* out, SampleFormat format) : out_(out), format_(format) {}
  Status Append(std::string_view bytes) override;
  Status Flush() override { return out_->Flush(); }
  bool any() const { return any_; }

 private:
  void Look(std::string_view bytes);

  Output* const out_;
  const SampleFormat format_;
  bool any_ = false;
  bool begins_line_ = true;
  bool had_line_ = false;
};

// What was asked for: "at 2026-…", "from … to …"; empty: what is current.
struct Wanted {
  std::string when;
  bool has_matches = false;
};
std::string WhenText(std::int64_t unix_ms);
std::string WhenText(std::int64_t from_unix_ms, std::int64_t to_unix_ms);

// Asks the proxy for the nodes and their windows, and writes to `errors` what
// keeps the answer empty.
// Errors: those of the output.
Status TellEmptyAnswer(const ProxyQuery& query, const Wanted& wanted,
                       ProxyClient* client, Output* errors);
// The same of a recording.
Status TellEmptyAnswer(const OpenedRecording& opened, const Wanted& wanted,
                       Output* errors);

// Writes to `errors` if no node has the query's role and pod, and which there
// are; else, or if the proxy does not say, nothing.
Status TellIfNoNode(const ProxyQuery& query, ProxyClient* client,
                    Output* errors);

}  // namespace fodc::ctl
