// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace fodc::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Parsed {
  Options options;
  program::Flags flags{"fodc-agent", "", "0"};
  program::ParseOutcome outcome;
  explicit Parsed(const std::vector<std::string>& arguments) {
    AddFlags(&flags, &options);
    outcome = flags.Parse(arguments);
    Resolve(flags, &options);
  }
};

// Names and defaults of Go's agent; ours where Go's cannot work together.
TEST(AgentFlagsTest, DefaultsAreThoseOfGo) {
  Parsed p({});
  ASSERT_TRUE(p.outcome.run) << p.outcome.error;
  std::map<std::string, std::string> defaults;
  for (const auto& flag : p.flags.Listing())
    defaults[flag.name] = flag.default_value;
  const std::map<std::string, std::string> go = {
      {"poll-metrics-interval", "10s"},
      {"poll-metrics-ports", "2121"},
      {"max-metrics-memory-usage-percentage", "10"},
      {"prometheus-listen-addr", ":9090"},
      {"diagnosis-listen-addr", ":9091"},
      {"proxy-addr", "localhost:17912"},
      {"pod-name", ""},
      {"container-names", ""},
      {"heartbeat-interval", "10s"},
      {"reconnect-interval", "5s"},
      {"ktm-interval", "10s"},
      {"cluster-state-ports", ""},
      {"cluster-state-poll-interval", "30s"},
      {"crash-source-dir", ""},
      {"panic-diagnostics-enabled", "true"},
      {"panic-diagnostics-dir", "crash"},
      {"panic-diagnostics-max-artifacts", "10"},
      {"max-diagnosis-memory-usage-percentage", "50"},
      {"max-fodc-diagnosis-memory-usage-percentage", "5"},
      {"lifecycle-port", "18912"},
      {"schema-registry-port", "17912"},
      {"lifecycle-report-dir", "/tmp/lifecycle-reports"},
      {"lifecycle-cache-ttl", "10m0s"},
      {"pressure-profiler-enabled", "true"},
      {"pressure-profiler-trigger-percent", "75"},
      {"pressure-profiler-pprof-port", "6060"},
      {"pressure-profiler-cooldown", "5m0s"},
      {"pressure-profiler-dir", "/tmp/pressure-profiles"},
      {"pressure-profiler-max-artifacts", "16"},
      {"pressure-profiler-max-disk-bytes", "536870912"},
  };
  for (const auto& [name, value] : go) EXPECT_EQ(defaults[name], value) << name;
  EXPECT_THAT(FlagsWithoutEffect(p.flags), IsEmpty());
  EXPECT_FALSE(p.options.diagnosis_listen_addr_given);
}

TEST(AgentFlagsTest, UrlsAloneReplaceTheDefaultPort) {
  EXPECT_THAT(
      Parsed({"--poll-metrics-urls=http://h:1/m"}).options.poll_metrics_ports,
      IsEmpty());
  EXPECT_THAT(
      Parsed({"--poll-metrics-urls=http://h:1/m", "--poll-metrics-ports=1,2"})
          .options.poll_metrics_ports,
      ElementsAre("1", "2"));
}

TEST(AgentFlagsTest, NamesWhatHasNoEffectYet) {
  Parsed p({"--panic-diagnostics-dir=x", "--lifecycle-cache-ttl=1s",
            "--pod-name=a", "--diagnosis-listen-addr=:1"});
  ASSERT_TRUE(p.outcome.run) << p.outcome.error;
  EXPECT_THAT(FlagsWithoutEffect(p.flags),
              ElementsAre("panic-diagnostics-dir", "lifecycle-cache-ttl"));
  EXPECT_TRUE(p.options.diagnosis_listen_addr_given);
}

// Alone it means true, as in Go, where there is no third value.
TEST(AgentFlagsTest, KernelTelemetryIsOnOffOrAutomatic) {
  EXPECT_EQ(Parsed({}).options.ktm_enabled, "auto");
  EXPECT_EQ(Parsed({"--ktm-enabled", "--pod-name=a"}).options.ktm_enabled,
            "true");
  EXPECT_EQ(Parsed({"--ktm-enabled=false"}).options.ktm_enabled, "false");
}

TEST(AgentFlagsTest, BothFlagsNameTheTargetsProcess) {
  EXPECT_EQ(Parsed({"--ktm-target-comm=db"}).options.target_comm, "db");
  EXPECT_EQ(Parsed({"--ktm-target-comm=db", "--target-comm=other"})
                .options.target_comm,
            "other");
}

}  // namespace
}  // namespace fodc::agent
