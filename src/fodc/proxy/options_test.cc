// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fodc::proxy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

program::ParseOutcome Parse(const std::vector<std::string>& arguments,
                            ProxyOptions* options) {
  program::Flags flags("fodc-proxy", "", "1", "FODC_TEST_");
  DeclareFlags(&flags, options);
  return flags.Parse(arguments);
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  ProxyOptions options;
  const auto outcome = Parse(arguments, &options);
  EXPECT_FALSE(outcome.run);
  EXPECT_EQ(outcome.exit_code, 2);
  return outcome.error;
}

TEST(ProxyOptionsTest, HasTheDefaultsOfGo) {
  ProxyOptions o;
  EXPECT_TRUE(Parse({}, &o).run);
  EXPECT_EQ(o.grpc_listen_addr, ":17912");
  EXPECT_EQ(o.http_listen_addr, ":17913");
  EXPECT_EQ(o.agent_heartbeat_timeout, std::chrono::seconds(30));
  EXPECT_EQ(o.agent_cleanup_timeout, std::chrono::minutes(5));
  EXPECT_EQ(o.max_agents, 1000);
  EXPECT_EQ(o.grpc_max_msg_size, 33554432);
  EXPECT_EQ(o.http_read_timeout, std::chrono::seconds(10));
  EXPECT_EQ(o.http_write_timeout, std::chrono::seconds(10));
  EXPECT_EQ(o.heartbeat_interval, std::chrono::seconds(10));
}

TEST(ProxyOptionsTest, ReadsEveryFlag) {
  ProxyOptions o;
  const auto outcome = Parse(
      {"--grpc-listen-addr=127.0.0.1:1", "--http-listen-addr=:2",
       "--agent-heartbeat-timeout=15s", "--agent-cleanup-timeout=1m",
       "--max-agents=7", "--grpc-max-msg-size=600000", "--http-read-timeout=1s",
       "--http-write-timeout=2s", "--heartbeat-interval=5s",
       "--recorder-memory-per-agent=1MiB", "--recorder-memory=64MiB",
       "--http-max-connections=9", "--shutdown-timeout=3s", "--evidence-dir=/e",
       "--evidence-max-age=36h", "--evidence-max-artifacts=5",
       "--evidence-max-disk-bytes=2MiB", "--restrict-profile-downloads"},
      &o);
  ASSERT_TRUE(outcome.run) << outcome.error;
  EXPECT_EQ(o.max_agents, 7);
  EXPECT_EQ(o.evidence_dir, "/e");
  EXPECT_EQ(o.evidence_max_artifacts, 5);
  EXPECT_EQ(o.evidence_max_age, std::chrono::hours(36));
  EXPECT_EQ(o.evidence_max_disk_bytes, 2u << 20);
  EXPECT_EQ(o.recorder_memory_per_agent, 1u << 20);
  EXPECT_EQ(o.recorder_memory, 64u << 20);
  EXPECT_EQ(o.shutdown_timeout, std::chrono::seconds(3));
  EXPECT_TRUE(o.restrict_profile_downloads);
}

TEST(ProxyOptionsTest, NamesFlagValueAndLimit) {
  EXPECT_THAT(ErrorOf({"--max-agents=0"}),
              AllOf(HasSubstr("--max-agents"), HasSubstr("0"), HasSubstr("1")));
  EXPECT_THAT(ErrorOf({"--agent-cleanup-timeout=30s"}),
              AllOf(HasSubstr("--agent-cleanup-timeout"),
                    HasSubstr("--agent-heartbeat-timeout"), HasSubstr("30s")));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=30s"}),
              AllOf(HasSubstr("--agent-heartbeat-timeout"),
                    HasSubstr("--heartbeat-interval")));
  EXPECT_THAT(ErrorOf({"--recorder-memory=1MiB"}),
              HasSubstr("--recorder-memory-per-agent"));
  EXPECT_THAT(ErrorOf({"--http-listen-addr="}),
              HasSubstr("--http-listen-addr"));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=100ms"}),
              HasSubstr("--heartbeat-interval"));
  EXPECT_THAT(ErrorOf({"--heartbeat-interval=1500ms"}),
              AllOf(HasSubstr("--heartbeat-interval"), HasSubstr("1.5s"),
                    HasSubstr("whole seconds")));
  EXPECT_THAT(
      ErrorOf({"--grpc-listen-addr=:9", "--http-listen-addr=:9"}),
      HasSubstr("--grpc-listen-addr and --http-listen-addr are both :9"));
  EXPECT_THAT(ErrorOf({"--recorder-memory-per-agent=17TiB"}),
              HasSubstr("17TiB is more than the maximum of 16TiB"));
  EXPECT_THAT(ErrorOf({"--recorder-memory-per-agent=1TiB"}),
              HasSubstr("must be at least --recorder-memory-per-agent"));
  EXPECT_THAT(ErrorOf({"--evidence-max-artifacts=0"}),
              AllOf(HasSubstr("--evidence-max-artifacts"), HasSubstr("1")));
  EXPECT_THAT(ErrorOf({"--evidence-max-artifacts=1025"}), HasSubstr("1024"));
  EXPECT_THAT(ErrorOf({"--evidence-max-disk-bytes=0"}), HasSubstr("1MiB"));
  EXPECT_THAT(ErrorOf({"--grpc-max-msg-size=65536"}),
              AllOf(HasSubstr("--grpc-max-msg-size"), HasSubstr("524288")));
}

}  // namespace
}  // namespace fodc::proxy
