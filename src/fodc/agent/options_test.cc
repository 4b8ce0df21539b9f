// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr std::uint64_t kMiB = 1u << 20;

template <typename Change>
Status CheckWith(Change change) {
  Options o;
  change(o);
  return Check(o).status();
}

TEST(CheckTest, DefaultsAreConsistent) {
  const auto c = Check(Options());
  ASSERT_TRUE(c.ok()) << c.status().message();
  ASSERT_EQ(c->endpoints.size(), 1u);
  EXPECT_EQ(c->endpoints[0].url, "http://localhost:2121/metrics");
  EXPECT_THAT(c->proxies, ElementsAre("localhost:17912"));
  EXPECT_EQ(c->scrape.EffectiveTimeout(), 5s);
}

TEST(CheckTest, TheDeadlineNeverExceedsTheInterval) {
  Options o;
  o.poll_metrics_interval = 1s;
  EXPECT_EQ(Check(o)->scrape.EffectiveTimeout(), 1s);
  o.poll_metrics_timeout = 300ms;
  EXPECT_EQ(Check(o)->scrape.EffectiveTimeout(), 300ms);
  o.poll_metrics_timeout = 2s;
  EXPECT_THAT(Check(o), StatusIs(Code::kInvalidArgument,
                                 HasSubstr("--poll-metrics-timeout is 2s")));
}

// Each names its flag, the value and the limit.
TEST(CheckTest, RefusesWhatGoRefuses) {
  const auto bad = Code::kInvalidArgument;
  EXPECT_THAT(CheckWith([](Options& o) { o.poll_metrics_interval = 0s; }),
              StatusIs(bad, HasSubstr("--poll-metrics-interval is 0s")));
  EXPECT_THAT(CheckWith([](Options& o) { o.poll_metrics_ports.clear(); }),
              StatusIs(bad, HasSubstr("--poll-metrics-ports")));
  EXPECT_THAT(CheckWith([](Options& o) {
                o.container_names = {"a", "b"};
              }),
              StatusIs(bad, HasSubstr("--container-names")));
  for (const std::int64_t percentage : {-1, 101}) {
    EXPECT_THAT(
        CheckWith([=](Options& o) {
          o.max_metrics_memory_usage_percentage = percentage;
        }),
        StatusIs(bad, AllOf(HasSubstr("--max-metrics-memory-usage-percentage"),
                            HasSubstr(std::to_string(percentage)),
                            HasSubstr("from 0 to 100"))));
  }
  EXPECT_THAT(CheckWith([](Options& o) { o.diagnosis_listen_addr = ""; }),
              StatusIs(bad, HasSubstr("--diagnosis-listen-addr is empty")));
  EXPECT_THAT(
      CheckWith([](Options& o) {
        o.max_fodc_diagnosis_memory_usage_percentage = 101;
      }),
      StatusIs(bad, HasSubstr("--max-fodc-diagnosis-memory-usage-percentage")));
  for (const std::int64_t percent : {0, 101}) {
    EXPECT_THAT(
        CheckWith([=](Options& o) { o.capture.trigger_percent = percent; }),
        StatusIs(bad, HasSubstr("--pressure-profiler-trigger-percent")));
    EXPECT_TRUE(CheckWith([=](Options& o) {
                  o.capture.trigger_percent = percent;
                  o.capture.enabled = false;
                }).ok());
  }
}

TEST(CheckTest, RefusesWhatGoLetsThrough) {
  const auto refused = [](auto change, const char* flag) {
    EXPECT_THAT(CheckWith(change),
                StatusIs(Code::kInvalidArgument, HasSubstr(flag)));
  };
  refused([](Options& o) { o.heartbeat_interval = 0s; },
          "--heartbeat-interval");
  refused([](Options& o) { o.heartbeat_interval = -1s; },
          "--heartbeat-interval");
  refused([](Options& o) { o.reconnect_interval = 0s; },
          "--reconnect-interval");
  refused([](Options& o) { o.cluster_state_poll_interval = 0s; },
          "--cluster-state-poll-interval");
  refused([](Options& o) { o.cluster_state_ports = {"x"}; },
          "--cluster-state-ports");
  refused([](Options& o) { o.poll_metrics_ports = {"x"}; },
          "--poll-metrics-ports");
  refused([](Options& o) { o.recorder_spill_interval = 0s; },
          "--recorder-spill-interval");
  refused([](Options& o) { o.recorder_memory = 1; }, "--recorder-memory");
  refused([](Options& o) { o.max_series = 0; }, "--max-series");
  refused([](Options& o) { o.max_page_bytes = 0; }, "--max-page-bytes");
  refused([](Options& o) { o.proxy_addr = {"proxy"}; }, "--proxy-addr");
  refused([](Options& o) { o.proxy_addr = {"p:0"}; }, "--proxy-addr");
  refused([](Options& o) { o.prometheus_listen_addr = ""; },
          "--prometheus-listen-addr");
  refused([](Options& o) { o.prometheus_listen_addr = ":99999"; },
          "--prometheus-listen-addr");
  refused([](Options& o) { o.advertise_addr = ":1"; }, "--advertise-addr");
  refused([](Options& o) { o.target_pid = -1; }, "--target-pid");
  refused([](Options& o) { o.poll_metrics_compression = "zip"; },
          "--poll-metrics-compression");
  refused([](Options& o) { o.pod_name = "\xff"; }, "--pod-name");
}

TEST(CheckTest, RefusesAnIdentityThatEveryProxyWouldRefuse) {
  Options o;
  const auto labels = [](int count, std::size_t value_bytes) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text +=
          StrCat(i == 0 ? "" : ",", "k", i, "=", std::string(value_bytes, 'v'));
    }
    return text;
  };
  o.node_labels = labels(64, 10);
  EXPECT_THAT(Check(o), IsOk());
  o.node_labels = labels(65, 10);
  EXPECT_THAT(Check(o),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("--node-labels"),
                                                     HasSubstr("65 labels"))));
  o.node_labels = labels(60, 1000);
  EXPECT_THAT(Check(o),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("--node-labels"), HasSubstr("bytes"))));
}

TEST(CheckTest, AnEmptyProxyAddressMeansNone) {
  Options o;
  o.proxy_addr = {""};
  EXPECT_TRUE(Check(o)->proxies.empty());
  o.proxy_addr = {"a:1", " b:2", "a:1", "[::1]:3"};
  EXPECT_THAT(Check(o)->proxies, ElementsAre("a:1", "b:2", "[::1]:3"));
}

TEST(ParseNodeLabelsTest, TakesPairsAndNamesWhatIsNone) {
  EXPECT_THAT(
      *ParseNodeLabels("type=hot, zone=a=b,x="),
      ElementsAre(Pair("type", "hot"), Pair("x", ""), Pair("zone", "a=b")));
  EXPECT_TRUE(ParseNodeLabels("")->empty());
  for (const char* bad :
       {"type", "=hot", "a=1,,b=2", "a=1,a=2", "a b=1", "a=\xff"}) {
    EXPECT_THAT(ParseNodeLabels(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr("--node-labels")))
        << bad;
  }
}

TEST(CanonicalRoleTest, KnowsTheWordsAndKeepsOthers) {
  EXPECT_EQ(CanonicalRole("ROLE_DATA"), "ROLE_DATA");
  EXPECT_EQ(CanonicalRole("data"), "ROLE_DATA");
  EXPECT_EQ(CanonicalRole("Liaison"), "ROLE_LIAISON");
  EXPECT_EQ(CanonicalRole("etcd"), "etcd");
  EXPECT_EQ(CanonicalRole(""), "");
}

TEST(RecorderBudgetTest, TheSmallerOfBothBoundsButNeverNothing) {
  EXPECT_EQ(RecorderBudget(10 * kMiB, 10, std::nullopt), 10 * kMiB);
  EXPECT_EQ(RecorderBudget(10 * kMiB, 10, 256 * kMiB), 10 * kMiB);
  EXPECT_EQ(RecorderBudget(10 * kMiB, 10, 40 * kMiB), 4 * kMiB);
  EXPECT_EQ(RecorderBudget(10 * kMiB, 100, 4 * kMiB), 4 * kMiB);
  // 0 keeps the least that still records, with a limit or without.
  EXPECT_EQ(RecorderBudget(10 * kMiB, 0, 256 * kMiB), kSmallestRecorderMemory);
  EXPECT_EQ(RecorderBudget(10 * kMiB, 0, std::nullopt),
            kSmallestRecorderMemory);
}

TEST(CheckTest, ChecksWhatKernelTelemetryIsTold) {
  const auto refused = [](auto change, const char* message) {
    EXPECT_THAT(CheckWith(change),
                StatusIs(Code::kInvalidArgument, HasSubstr(message)));
  };
  refused([](Options& o) { o.ktm_enabled = "maybe"; },
          "--ktm-enabled is \"maybe\"; it must be true, false or auto");
  refused([](Options& o) { o.ktm_interval = 99ms; }, "--ktm-interval is 99ms");
  refused([](Options& o) { o.ktm_sample_every = 4097; }, "--ktm-sample-every");
  refused([](Options& o) { o.ktm_sample_above = -1; }, "--ktm-sample-above");
  refused([](Options& o) { o.signal = {"rubbish=x"}; }, "--signal: ");
  refused([](Options& o) { o.detect_bound = {"factor=0"}; },
          "--detect-bound: factor=0");
  refused([](Options& o) { o.detect_bound = {"factor"}; },
          "--detect-bound: 'factor' is not");
  const auto mode = [](const char* text) {
    Options o;
    o.ktm_enabled = text;
    const auto checked = Check(o);
    EXPECT_THAT(checked, IsOk());
    return checked.ok() ? checked->ktm : KtmMode::kAuto;
  };
  EXPECT_EQ(mode("true"), KtmMode::kOn);
  EXPECT_EQ(mode("0"), KtmMode::kOff);
  EXPECT_EQ(mode("Auto"), KtmMode::kAuto);
  // As in Go, a warning later on.
  EXPECT_THAT(CheckWith([](Options& o) { o.ktm_interval = -1s; }), IsOk());
  Options o;
  o.detect_bound = {"factor=4,min-reads=7"};
  const auto bounds = Check(o);
  ASSERT_THAT(bounds, IsOk());
  EXPECT_EQ(bounds->detect.factor, 4);
  EXPECT_EQ(bounds->detect.min_reads, 7);
}

// Flags of the Go agent whose feature is not there yet.
TEST(CheckTest, RefusesWhatCanOnlyBeAMistake) {
  const auto refused = [](auto change, const char* flag) {
    EXPECT_THAT(CheckWith(change),
                StatusIs(Code::kInvalidArgument, HasSubstr(flag)));
  };
  refused([](Options& o) { o.max_diagnosis_memory_usage_percentage = 101; },
          "--max-diagnosis-memory-usage-percentage");
  refused([](Options& o) { o.panic_diagnostics_dir = ""; },
          "--panic-diagnostics-dir is empty");
  refused([](Options& o) { o.panic_diagnostics_max_artifacts = -1; },
          "--panic-diagnostics-max-artifacts");
  refused([](Options& o) { o.lifecycle_cache_ttl = -1s; },
          "--lifecycle-cache-ttl");
  refused([](Options& o) { o.lifecycle_port = 65536; }, "--lifecycle-port");
  refused([](Options& o) { o.schema_registry_port = -1; },
          "--schema-registry-port");
  refused([](Options& o) { o.capture.pprof_port = "http"; },
          "--pressure-profiler-pprof-port");
  refused([](Options& o) { o.capture.dir = ""; },
          "--pressure-profiler-dir is empty");
  refused([](Options& o) { o.capture.cooldown = -1s; },
          "--pressure-profiler-cooldown");
  refused([](Options& o) { o.capture.max_artifacts = -1; },
          "--pressure-profiler-max-artifacts");
  refused([](Options& o) { o.capture.max_disk_bytes = -1; },
          "--pressure-profiler-max-disk-bytes");
  refused([](Options& o) { o.capture.max_age = -1s; },
          "--pressure-profiler-max-age");
  Options aged;
  aged.capture.max_age = 1h;
  EXPECT_EQ(Check(aged).value().capture.retention.max_age, 1h);
  EXPECT_TRUE(CheckWith([](Options& o) {
                o.panic_diagnostics_enabled = false;
                o.panic_diagnostics_dir = "";
                o.capture.enabled = false;
                o.capture.pprof_port = "";
                o.capture.dir = "";
              }).ok());
}

TEST(MemoryLimitTest, IsTheLeastOfMaxAndHigh) {
  CgroupMemory m;
  EXPECT_EQ(MemoryLimit(m), std::nullopt);
  m.limit_bytes = 200;
  EXPECT_EQ(MemoryLimit(m), 200u);
  m.high_bytes = 100;
  EXPECT_EQ(MemoryLimit(m), 100u);
  m.limit_bytes = 50;
  EXPECT_EQ(MemoryLimit(m), 50u);
  m.limit_bytes.reset();
  EXPECT_EQ(MemoryLimit(m), 100u);
}

}  // namespace
}  // namespace fodc::agent
