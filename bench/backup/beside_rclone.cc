// SPDX-License-Identifier: Apache-2.0
#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

constexpr std::size_t kFiles = 20'000;
constexpr int kRounds = 3;

struct Both {
  std::vector<double> seconds;
  double rss_mib = 0;
  void Add(const Measured& run) {
    seconds.push_back(run.seconds);
    rss_mib = std::max(rss_mib, run.rss_mib);
  }
};

void ReportBoth(const std::string& label, const Both& ours, const Both& theirs,
                Reporter* report) {
  using enum Reporter::Floor;
  report->Report(label + "_seconds", Median(ours.seconds), "s",
                 Median(theirs.seconds), kAtMost);
  report->Report(label + "_rclone_seconds", Median(theirs.seconds), "s");
  report->Report(label + "_rss", ours.rss_mib, "MiB", theirs.rss_mib, kAtMost);
  report->Report(label + "_rclone_rss", theirs.rss_mib, "MiB");
}

}  // namespace

void RunBesideRclone(Reporter* report) {
  if (test::FindProgram("rclone").empty()) {
    std::printf("SKIPPED: bench_backup beside rclone: it is not installed\n");
    return;
  }
  const Scratch scratch;
  const std::string tree = scratch.File("tree");
  MakeSmallTree(tree, kFiles, 1024, 16 * 1024);
  const std::string program = test::ProgramPath("fodc-backup");
  // Neither what this machine has set for its own clients.
  const Environment no_config = {{"RCLONE_CONFIG", "/dev/null"},
                                 {"AWS_CA_BUNDLE", ""}};

  // On a disk. Ours makes durable what it reports, so rclone's is synced, too;
  // both check what they wrote by size. Each begins with nothing that waits for
  // the disk, and nothing is removed before the end: inodes that were freed
  // just now are slow to be taken again.
  Both ours;
  Both theirs;
  const auto ours_to = [&](int round) {
    return MustRun({program, "run",
                    StrCat("--dest=file://", scratch.File("ours"), round),
                    "--snapshot-dir=" + tree, "--log-level=warn"});
  };
  const auto theirs_to = [&](int round) {
    return MustRun({"rclone", "copy", "--transfers=8", "--checkers=8", tree,
                    StrCat(scratch.File("theirs"), round)},
                   no_config);
  };
  for (int round = 0; round < kRounds; ++round) {
    ::sync();
    ours.Add(ours_to(round));
    ::sync();
    Measured run = theirs_to(round);
    run.seconds +=
        MustRun({"sync", "-f", StrCat(scratch.File("theirs"), round)}).seconds;
    theirs.Add(run);
  }
  ReportBoth("rclone_file", ours, theirs, report);

  // Nothing has changed.
  ours = {};
  theirs = {};
  for (int round = 0; round < kRounds; ++round) {
    ours.Add(ours_to(round));
    theirs.Add(theirs_to(round));
  }
  ReportBoth("rclone_file_unchanged", ours, theirs, report);

  // The same store, which is strict with both.
  ours = {};
  theirs = {};
  for (int round = 0; round < kRounds; ++round) {
    // It does not sign bodies.
    ObjectServer server({"--latency=5ms", "--allow-unsigned"});
    ours.Add(MustRun({program, "run", "--dest=" + server.Url("ours"),
                      "--snapshot-dir=" + tree, "--log-level=warn"},
                     ObjectServer::Credentials()));
    Environment env = no_config;
    env.insert(env.end(), {{"RCLONE_CONFIG_X_TYPE", "s3"},
                           {"RCLONE_CONFIG_X_PROVIDER", "Other"},
                           {"RCLONE_CONFIG_X_ENDPOINT", server.endpoint()},
                           {"RCLONE_CONFIG_X_REGION", "us-east-1"},
                           {"RCLONE_CONFIG_X_ACCESS_KEY_ID", "AKIDFODC"},
                           {"RCLONE_CONFIG_X_SECRET_ACCESS_KEY", "secretfodc"},
                           {"RCLONE_CONFIG_X_LIST_VERSION", "2"},
                           {"RCLONE_CONFIG_X_NO_CHECK_BUCKET", "true"}});
    theirs.Add(MustRun({"rclone", "copy", "--transfers=8", "--checkers=8", tree,
                        "x:bucket/theirs"},
                       env));
  }
  ReportBoth("rclone_s3", ours, theirs, report);
}

}  // namespace fodc::bench
