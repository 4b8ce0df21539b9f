// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

constexpr double kLatencySeconds = 0.030;
constexpr double kOfTheLatency = 0.9;
constexpr double kMaxRssMib = 64;

}  // namespace

void RunSmall(bool is_full, Reporter* report) {
  const std::size_t files = is_full ? 200'000 : 20'000;
  const Scratch scratch;
  MakeSmallTree(scratch.File("tree"), files, 1024, 16 * 1024);
  for (const int concurrency : {8, 32}) {
    ObjectServer server({"--fast-etag", "--latency=30ms"});
    const Measured run = MustRun(
        {test::ProgramPath("fodc-backup"), "run", "--dest=" + server.Url("b"),
         "--snapshot-dir=" + scratch.File("tree"),
         StrCat("--upload-concurrency=", concurrency), "--log-level=warn"},
        ObjectServer::Credentials());
    const std::string label = StrCat("small_", concurrency);
    const double per_second = static_cast<double>(files) / run.seconds;
    using enum Reporter::Floor;
    report->Report(label + "_files", per_second, "1/s",
                   kOfTheLatency * concurrency / kLatencySeconds);
    report->Report(label + "_of_the_ideal",
                   100 * per_second * kLatencySeconds / concurrency, "%");
    report->Report(label + "_rss", run.rss_mib, "MiB", kMaxRssMib, kAtMost);
    report->Report(label + "_cpu", run.cpu_seconds, "s");
    // One for each file; the rest is the lease, the marks and the manifests.
    const auto requests = server.Requests();
    report->Report(
        label + "_puts_beside_the_files",
        static_cast<double>(requests.at("put")) - static_cast<double>(files),
        "requests", 20, kAtMost);
  }
}

}  // namespace fodc::bench
