// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "examples/kvload/client.h"
#include "examples/kvload/crew.h"
#include "examples/kvload/ledger.h"
#include "examples/kvload/loads.h"
#include "examples/kvload/tally.h"
#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace kvload {

using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;

namespace {

void RunReads(const LoadOptions& options, const char* load,
              const char* operation,
              const std::function<void(Client*, Tally*, Crew*)>& read) {
  Crew crew(options);
  std::vector<Tally> all(static_cast<std::size_t>(options.connections));
  crew.Run([&](std::size_t i) {
    Client client(options);
    read(&client, &all[i], &crew);
  });
  const auto wall = crew.elapsed();
  Tally tally;
  for (const Tally& one : all) tally.Join(one);
  (void)std::puts(tally.Json(load, operation, wall).c_str());
}

Result<Answer> TimedGet(Client* client, const std::string& target,
                        fodc::MonotonicTime due, Tally* tally) {
  Result<Answer> answer = client->Do("GET", target);
  tally->Count(answer, fodc::SystemClock().Monotonic() - due);
  if (!answer.ok()) PauseAfterFailure();
  return answer;
}

// The sequence of the last line; 0 if there is none.
std::uint64_t LastSequence(std::string_view lines) {
  lines = fodc::Trim(lines);
  const std::size_t begin = lines.rfind('\n') + 1;
  const std::string_view last = lines.substr(begin);
  return fodc::ParseUint(last.substr(0, last.find('\t'))).value_or(0);
}

// Fills the stream, and returns the sequence of its last entry.
Result<std::uint64_t> FillStream(const LoadOptions& options) {
  Client client(options);
  std::uint64_t last = 0;
  for (std::int64_t i = 0; i < options.entries; ++i) {
    FODC_ASSIGN_OR_RETURN(
        const Answer answer,
        client.Do("POST", "/streams/" + options.stream,
                  MakeValue(options.stream, static_cast<std::uint64_t>(i),
                            options.value_bytes)));
    if (answer.status != 200) {
      return fodc::Unavailable(StrCat("append is answered ", answer.status));
    }
    last = LastSequence(answer.body);
  }
  return last;
}

}  // namespace

Status RunHotReader(const LoadOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::uint64_t last, FillStream(options));
  RunReads(options, "hot-reader", options.whole ? "read_whole" : "read_new",
           [&](Client* client, Tally* tally, Crew* crew) {
             Pace pace = crew->MakePace(false);
             // Without a last entry that is known: from the first on, which
             // is not the whole.
             std::uint64_t after =
                 options.whole ? 0 : std::max<std::uint64_t>(last, 1);
             while (crew->More()) {
               const Result<Answer> answer = TimedGet(
                   client,
                   StrCat("/streams/", options.stream, "?after=", after),
                   pace.Next(), tally);
               if (options.whole || !answer.ok() || answer->status != 200) {
                 continue;
               }
               after = std::max(after, LastSequence(answer->body));
             }
           });
  return OkStatus();
}

Status RunScan(const LoadOptions& options) {
  RunReads(options, "scan", "scan",
           [&](Client* client, Tally* tally, Crew* crew) {
             Pace pace = crew->MakePace(false);
             std::string next;
             while (crew->More()) {
               const Result<Answer> answer =
                   TimedGet(client, "/scan?start=" + next, pace.Next(), tally);
               if (answer.ok()) next = answer->next;
             }
           });
  return OkStatus();
}

}  // namespace kvload
