// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <nlohmann/json.hpp>

#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

constexpr std::size_t kObjectBytes = 100;
constexpr double kMaxRssMib = 96;
constexpr double kPageKeys = 1000;
constexpr double kLeaseLookSeconds = 20;

void RunOver(std::size_t objects, Reporter* report) {
  const Scratch scratch;
  MakeLinkedTree(scratch.File("tree"), objects, kObjectBytes);
  const std::string today =
      FormatRfc3339(SystemClock().Unix(), 0).substr(0, 10);
  ObjectServer server({"--fast-etag", StrCat("--generate=", objects),
                       StrCat("--generate-prefix=b/", today, "/data"),
                       StrCat("--generate-bytes=", kObjectBytes)});
  const std::vector<std::string> argv = {
      test::ProgramPath("fodc-backup"), "run", "--dest=" + server.Url("b"),
      "--snapshot-dir=" + scratch.File("tree"), "--log-level=warn"};
  // The zone of the directory's name.
  Environment env = ObjectServer::Credentials();
  env.emplace_back("TZ", "UTC");
  const Measured first = MustRun(argv, env);
  server.Reset();
  const Measured second = MustRun(argv, env);
  const auto told = nlohmann::json::parse(second.out)["catalogs"][0];
  const auto requests = server.Requests();
  const std::string label = StrCat("unchanged_", objects / 1'000'000, "m");
  using enum Reporter::Floor;
  report->Report(label + "_first_seconds", first.seconds, "s");
  report->Report(label + "_first_rss", first.rss_mib, "MiB", kMaxRssMib,
                 kAtMost);
  report->Report(label + "_seconds", second.seconds, "s");
  report->Report(label + "_rss", second.rss_mib, "MiB", kMaxRssMib, kAtMost);
  report->Report(label + "_unchanged", told["unchanged"].get<double>(), "files",
                 static_cast<double>(objects));
  report->Report(label + "_uploaded", told["uploaded"].get<double>(), "files",
                 0, kAtMost);
  // One pass, whose last page may be empty; and each time that the lease is
  // renewed, it is looked at.
  report->Report(label + "_list_requests",
                 static_cast<double>(requests.at("list")), "requests",
                 static_cast<double>(objects) / kPageKeys + 2 +
                     second.seconds / kLeaseLookSeconds,
                 kAtMost);
}

}  // namespace

void RunUnchanged(bool is_full, Reporter* report) {
  RunOver(1'000'000, report);
  if (is_full) RunOver(5'000'000, report);
}

}  // namespace fodc::bench
