// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fodc/collect/recording_testing.h"

namespace fodc::collect {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Endpoint At(std::uint16_t port, std::string container, bool loopback = true) {
  Endpoint e;
  e.port = port;
  e.container_name = std::move(container);
  e.is_loopback = loopback;
  return e;
}

TEST(MakeTargetSpecsTest, OneRowForEachNamedContainer) {
  const auto specs = MakeTargetSpecs({At(2121, "data"), At(17915, "lifecycle")},
                                     {.pid = 0, .comm = "banyand", .port = 0});
  ASSERT_THAT(specs, SizeIs(2));
  EXPECT_EQ(specs[0].container_name, "data");
  EXPECT_THAT(specs[0].endpoint_ports, ElementsAre(2121));
  EXPECT_EQ(specs[0].comm_prefix, "banyand");
  EXPECT_EQ(specs[1].container_name, "lifecycle");
  EXPECT_EQ(specs[1].comm_prefix, "");
}

TEST(MakeTargetSpecsTest, EndpointsWithoutNamesShareOneRow) {
  const auto specs = MakeTargetSpecs({At(1, ""), At(2, ""), At(3, "", false)},
                                     {.pid = 7, .comm = "", .port = 9});
  ASSERT_THAT(specs, SizeIs(1));
  EXPECT_THAT(specs[0].endpoint_ports, ElementsAre(1, 2));
  EXPECT_EQ(specs[0].pid, 7);
  EXPECT_EQ(specs[0].listen_port, 9);
}

TEST(MakeTargetSpecsTest, OtherMachinesHaveNoTargetsHere) {
  EXPECT_THAT(MakeTargetSpecs({At(1, "", false)}, {}), IsEmpty());
  EXPECT_THAT(MakeTargetSpecs({At(1, "", false)},
                              {.pid = 0, .comm = "etcd", .port = 0}),
              SizeIs(1));
}

// A real process: found, read, and its death seen.
TEST(TargetsTest, ReadsAProcessAndSeesItDie) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) ::pause();
  }
  FakeClock clock;
  net::EventLoop loop(clock);
  recorder::Recording recording(1, {});
  Targets targets(
      MakeTargetSpecs({At(1, "db")}, {.pid = child, .comm = "", .port = 0}), {},
      loop, recording);
  std::int64_t now = 1000;
  const auto read = [&] {
    now += 1000;
    targets.Read({.monotonic_ms = now, .unix_ms = now});
    return LatestSamples(recording, "target db");
  };
  auto samples = read();
  EXPECT_EQ(samples["fodc_target_up{target=\"db\"}"], 1);
  EXPECT_EQ(samples["fodc_target_pid{target=\"db\"}"], child);
  EXPECT_GT(samples["fodc_target_resident_memory_bytes{target=\"db\"}"], 0);
  EXPECT_EQ(samples["fodc_target_threads{target=\"db\"}"], 1);
  EXPECT_EQ(samples["fodc_target_deaths_total{target=\"db\"}"], 0);
  EXPECT_TRUE(
      samples.contains("fodc_target_start_time_seconds{target=\"db\"}"));

  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  samples = read();
  EXPECT_EQ(samples["fodc_target_up{target=\"db\"}"], 0);
  EXPECT_EQ(samples["fodc_target_deaths_total{target=\"db\"}"], 1);
  EXPECT_FALSE(samples.contains("fodc_target_pid{target=\"db\"}"));
  EXPECT_TRUE(
      samples.contains("fodc_target_last_death_uptime_seconds{target=\"db\"}"));
  EXPECT_EQ(recording.Take().Latest()[0].container_name, "db");
}

}  // namespace
}  // namespace fodc::collect
