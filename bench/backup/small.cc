// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

constexpr double kLatencySeconds = 0.030;
constexpr double kOfTheLatency = 0.9;
constexpr double kMaxRssMib = 64;

// The same files in bundles: no more than some requests for all of them.
void RunBundled(const std::string& tree, std::size_t files, Reporter* report) {
  for (const bool is_packed : {false, true}) {
    ObjectServer server({"--fast-etag", "--latency=30ms"});
    const Scratch work;
    const std::string key = work.File("key");
    FODC_CHECK(WriteFileAtomically(key, std::string(64, 'a')).ok());
    std::vector<std::string> words = {test::ProgramPath("fodc-backup"),
                                      "run",
                                      "--dest=" + server.Url("b"),
                                      "--snapshot-dir=" + tree,
                                      "--layout=2",
                                      "--log-level=warn"};
    if (is_packed) {
      words.push_back("--compression=zstd");
      words.push_back("--encryption-key-file=" + key);
    }
    Environment environment = ObjectServer::Credentials();
    environment.emplace_back("TMPDIR", work.File(""));
    const Measured run = MustRun(words, environment);
    const std::string label =
        is_packed ? "small_bundles_zstd_sealed" : "small_bundles";
    using enum Reporter::Floor;
    report->Report(label + "_files", static_cast<double>(files) / run.seconds,
                   "1/s");
    report->Report(label + "_rss", run.rss_mib, "MiB", kMaxRssMib, kAtMost);
    report->Report(label + "_cpu", run.cpu_seconds, "s");
    report->Report(label + "_puts",
                   static_cast<double>(server.Requests().at("put")), "requests",
                   static_cast<double>(files) / 1000 + 20, kAtMost);
  }
}

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
    // One for each file; the rest is the marks and the manifests, and the lease
    // every twenty seconds.
    const auto requests = server.Requests();
    report->Report(
        label + "_puts_beside_the_files",
        static_cast<double>(requests.at("put")) - static_cast<double>(files),
        "requests", 20 + run.seconds / 20, kAtMost);
  }
  RunBundled(scratch.File("tree"), files, report);
}

}  // namespace fodc::bench
