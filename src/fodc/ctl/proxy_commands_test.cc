// SPDX-License-Identifier: Apache-2.0
// Against an endpoint that answers as a proxy does, or does not.
#include "fodc/ctl/proxy_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "fodc/base/mutex.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::ctl {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using test::Exchange;
using test::FakeEndpoint;
using testing::HasSubstr;

// Keeps the first line of the last request.
class Proxy {
 public:
  explicit Proxy(int status, std::string body)
      : endpoint_([this, status, body = std::move(body)](std::string_view head,
                                                         Exchange& e) {
          {
            const std::lock_guard lock(mutex_);
            line_ = head.substr(0, head.find("\r\n"));
          }
          e.Answer(status, body);
        }) {}
  std::string line() {
    const std::lock_guard lock(mutex_);
    return line_;
  }
  ProxyQuery Query() const {
    return {.url = StrCat("http://127.0.0.1:", endpoint_.port()),
            .role = "data hot",
            .pod_name = "p&q",
            .timeout = 5s};
  }

 private:
  std::mutex mutex_;
  std::string line_;
  FakeEndpoint endpoint_;
};

constexpr std::string_view kOneNode = R"({"nodes":[{"name":"n1"}]})";

TEST(ProxyCommandsTest, NodesPrintsTheTableOrTheAnswer) {
  Proxy proxy(200, std::string(kOneNode));
  StringOutput out;
  StringOutput errors;
  NodesCommand command;
  command.query = proxy.Query();
  ASSERT_THAT(RunNodes(command, {&out, &errors, false, nullptr}, SystemClock()),
              IsOk());
  EXPECT_THAT(out.text, HasSubstr("\nn1"));
  EXPECT_EQ(proxy.line(),
            "GET /cluster?role=data%20hot&pod_name=p%26q HTTP/1.1");
  command.json = true;
  out.text.clear();
  ASSERT_THAT(RunNodes(command, {&out, &errors, false, nullptr}, SystemClock()),
              IsOk());
  EXPECT_EQ(out.text, StrCat(kOneNode, "\n"));
}

TEST(ProxyCommandsTest, WatchRedrawsInPlaceOnATerminalAndEnds) {
  Proxy proxy(200, std::string(kOneNode));
  StringOutput out;
  StringOutput errors;
  NodesCommand command;
  command.query = proxy.Query();
  command.watch = 20ms;
  command.run_for = 70ms;
  ASSERT_THAT(RunNodes(command, {&out, &errors, true, nullptr}, SystemClock()),
              IsOk());
  EXPECT_THAT(out.text, HasSubstr("\x1b[2F\x1b[J"
                                  "NODE"));
  out.text.clear();
  ASSERT_THAT(RunNodes(command, {&out, &errors, false, nullptr}, SystemClock()),
              IsOk());
  EXPECT_THAT(out.text, testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(out.text, HasSubstr("\n\nNODE"));
}

TEST(ProxyCommandsTest, WatchRedrawsLinesThatTheTerminalWraps) {
  Proxy proxy(200, std::string(kOneNode));
  StringOutput out;
  StringOutput errors;
  NodesCommand command;
  command.query = proxy.Query();
  command.watch = 20ms;
  command.run_for = 70ms;
  const Screen narrow{&out, &errors, true, [] { return std::size_t{40}; }};
  ASSERT_THAT(RunNodes(command, narrow, SystemClock()), IsOk());
  // Head and node are some 70 columns wide.
  EXPECT_THAT(out.text, HasSubstr("\x1b[4F\x1b[J"
                                  "NODE"));
}

TEST(ProxyCommandsTest, WatchGoesOnAfterAFailureAndTellsIt) {
  std::atomic<int> asked{0};
  FakeEndpoint endpoint([&](std::string_view, Exchange& e) {
    if (++asked == 1) {
      e.Answer(503, "starting\n");
    } else {
      e.Answer(200, kOneNode);
    }
  });
  StringOutput out;
  StringOutput errors;
  NodesCommand command;
  command.query.url = StrCat("http://127.0.0.1:", endpoint.port());
  command.query.timeout = 5s;
  command.watch = 20ms;
  command.run_for = 70ms;
  EXPECT_THAT(RunNodes(command, {&out, &errors, false, nullptr}, SystemClock()),
              IsOk());
  EXPECT_THAT(errors.text, HasSubstr("503"));
  EXPECT_THAT(errors.text, HasSubstr("starting"));
  EXPECT_THAT(out.text, HasSubstr("n1"));
}

TEST(ProxyCommandsTest, FailuresNameUrlAndReason) {
  StringOutput out;
  StringOutput errors;
  {
    Proxy proxy(400, "Invalid at: noon\n");
    MetricsCommand command;
    command.query = proxy.Query();
    EXPECT_THAT(RunMetrics(command, &out, &errors),
                StatusIs(Code::kInvalidArgument,
                         testing::AllOf(HasSubstr("400"), HasSubstr("noon"),
                                        HasSubstr("/metrics"))));
  }
  MetricsCommand nobody;
  nobody.query.url = "http://127.0.0.1:1";
  nobody.query.timeout = 2s;
  EXPECT_THAT(RunMetrics(nobody, &out, &errors),
              StatusIs(Code::kUnavailable,
                       testing::AllOf(HasSubstr("http://127.0.0.1:1"),
                                      HasSubstr("FODC_PROXY"))));
  Proxy other(200, "<html>");
  NodesCommand nodes;
  nodes.query = other.Query();
  EXPECT_THAT(RunNodes(nodes, {&out, &errors, false, nullptr}, SystemClock()),
              StatusIs(Code::kDataLoss, HasSubstr("not that of a FODC proxy")));
  EXPECT_EQ(out.text, "");
}

TEST(ProxyCommandsTest, IncidentsPrintsTheTableOrTheAnswer) {
  const std::string answer = R"({"incidents":[{"name":"n1","verdict":"W3"}]})";
  Proxy proxy(200, answer);
  FakeClock clock;
  StringOutput out;
  StringOutput errors;
  IncidentsCommand command;
  command.query = proxy.Query();
  ASSERT_THAT(RunIncidents(command, &out, &errors, clock), IsOk());
  EXPECT_THAT(out.text, HasSubstr("  n1    -       W3 "));
  EXPECT_EQ(proxy.line(),
            "GET /incidents?role=data%20hot&pod_name=p%26q HTTP/1.1");
  command.json = true;
  command.verdict = "W3";
  command.state = "open";
  command.limit = 7;
  command.last = 90s;
  out.text.clear();
  ASSERT_THAT(RunIncidents(command, &out, &errors, clock), IsOk());
  EXPECT_EQ(out.text, answer + "\n");
  EXPECT_EQ(errors.text, "");
  EXPECT_THAT(proxy.line(),
              HasSubstr("&verdict=W3&state=open&start_time="
                        "2025-12-31T23%3A58%3A30.000Z&limit=7 HTTP"));
  command.last.reset();
  command.to_unix_ms = 1000;
  ASSERT_THAT(RunIncidents(command, &out, &errors, clock), IsOk());
  EXPECT_THAT(
      proxy.line(),
      HasSubstr("&state=open&end_time=1970-01-01T00%3A00%3A01.000Z&limit"));
}

TEST(ProxyCommandsTest, IncidentsFailsWithUrlAndReason) {
  StringOutput out;
  StringOutput errors;
  Proxy old(404, "404 page not found\n");
  IncidentsCommand command;
  command.query = old.Query();
  EXPECT_THAT(
      RunIncidents(command, &out, &errors, SystemClock()),
      StatusIs(Code::kInvalidArgument,
               testing::AllOf(HasSubstr("404"), HasSubstr("/incidents?role"))));
  Proxy other(200, "<html>");
  command.query = other.Query();
  EXPECT_THAT(RunIncidents(command, &out, &errors, SystemClock()),
              StatusIs(Code::kDataLoss, HasSubstr("not that of a FODC proxy")));
  EXPECT_EQ(out.text, "");
}

TEST(ProxyCommandsTest, MetricsPassesFiltersAndInstant) {
  Proxy proxy(200,
              "# TYPE b gauge\nb 2\n# HELP a A.\n# TYPE a gauge\n"
              "a{b=\"c\",d=\"}\"} 1\na{b=\"d\"} 2\n");
  StringOutput out;
  StringOutput errors;
  MetricsCommand command;
  command.query = proxy.Query();
  command.at_unix_ms = 1795246273857;
  command.matches = {"a{b=\"c\"}"};
  ASSERT_THAT(RunMetrics(command, &out, &errors), IsOk());
  EXPECT_EQ(errors.text, "");
  EXPECT_EQ(out.text, "# HELP a A.\n# TYPE a gauge\na{b=\"c\",d=\"}\"} 1\n");
  EXPECT_THAT(proxy.line(), HasSubstr("at=2026-11-21T07%3A31%3A13.857Z "));
}

TEST(ProxyCommandsTest, WindowAsksForTheRangeAndMakesCsv) {
  Proxy proxy(200, "# TYPE a gauge\na{b=\"c\"} 1 1795246273.857\n# EOF\n");
  FakeClock clock;
  StringOutput out;
  StringOutput errors;
  WindowCommand command;
  command.query = proxy.Query();
  command.last = 90s;
  command.format = SampleFormat::kCsv;
  ASSERT_THAT(RunWindow(command, &out, &errors, clock), IsOk());
  EXPECT_EQ(out.text,
            "timestamp,name,labels,value\n"
            "2026-11-21T07:31:13.857Z,a,\"b=\"\"c\"\"\",1\n");
  EXPECT_THAT(proxy.line(),
              HasSubstr("start_time=2025-12-31T23%3A58%3A30.000Z&end_time="
                        "2026-01-01T00%3A00%3A00.000Z&format=openmetrics"));
}

// A proxy whose answers have no samples: tells what `fodcctl` says then.
class EmptyAnswerTest : public testing::Test {
 protected:
  EmptyAnswerTest()
      : endpoint_([this](std::string_view head, Exchange& e) {
          if (head.find(" /cluster") == std::string_view::npos) {
            e.Answer(200, Answer());
          } else if (head.find("role=") != std::string_view::npos) {
            e.Answer(200, R"({"nodes":[]})");
          } else {
            e.Answer(200, R"({"nodes":[
              {"name":"n1","pod_name":"p1","role":"ROLE_DATA","window":
               {"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:10:00Z"}},
              {"name":"n2","pod_name":"p2","window":null}]})");
          }
        }) {
    query_.url = StrCat("http://127.0.0.1:", endpoint_.port());
    query_.timeout = 5s;
  }
  std::string Metrics(MetricsCommand command) {
    StringOutput out;
    StringOutput errors;
    command.query = query_;
    EXPECT_THAT(RunMetrics(command, &out, &errors), IsOk());
    return errors.text;
  }
  std::string Window(SampleFormat format, std::vector<std::string> matches) {
    StringOutput out;
    StringOutput errors;
    WindowCommand command;
    command.query = query_;
    command.from_unix_ms = 0;
    command.to_unix_ms = 1000;
    command.format = format;
    command.matches = std::move(matches);
    EXPECT_THAT(RunWindow(command, &out, &errors, SystemClock()), IsOk());
    return errors.text;
  }

  void SetAnswer(std::string answer) {
    MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }

  ProxyQuery query_;

 private:
  std::string Answer() {
    MutexLock lock(mutex_);
    return answer_;
  }

  Mutex mutex_;  // the endpoint answers on a thread of its own
  std::string answer_ FODC_GUARDED_BY(mutex_);
  FakeEndpoint endpoint_;
};

TEST_F(EmptyAnswerTest, TellsWhichWindowsThereAre) {
  const std::string windows =
      "n1: recorded from 2026-01-01T00:00:00.000Z to "
      "2026-01-01T00:10:00.000Z\n  n2: no recording at the proxy\n";
  MetricsCommand at;
  at.at_unix_ms = 1000;
  EXPECT_EQ(Metrics(at), StrCat("fodcctl: nothing was recorded at "
                                "1970-01-01T00:00:01.000Z:\n  ",
                                windows));
  const std::string range =
      " was recorded from 1970-01-01T00:00:00.000Z to "
      "1970-01-01T00:00:01.000Z:\n  ";
  SetAnswer("[]\n");
  EXPECT_EQ(Window(SampleFormat::kJson, {}),
            StrCat("fodcctl: nothing", range, windows));
  SetAnswer("# TYPE x gauge\n# EOF\n");
  EXPECT_EQ(Window(SampleFormat::kOpenMetrics, {"y"}),
            StrCat("fodcctl: nothing that --match takes", range, windows));
  EXPECT_EQ(Window(SampleFormat::kCsv, {}),
            StrCat("fodcctl: nothing", range, windows));
  SetAnswer("# TYPE x gauge\nx 1\n");
  MetricsCommand match;
  match.matches = {"y"};
  EXPECT_EQ(
      Metrics(match),
      StrCat("fodcctl: nothing that --match takes is there now:\n  ", windows));
}

TEST_F(EmptyAnswerTest, TellsWhichNodesThereAre) {
  query_.role = "nobody";
  EXPECT_EQ(Metrics({}),
            "fodcctl: no node has this --role and --pod-name; there are:\n"
            "  p1 (data)\n  p2 (-)\n");
}

TEST_F(EmptyAnswerTest, NoIncidentIsExplainedIfThereIsNoSuchNode) {
  SetAnswer(R"({"incidents":[],"total":0})");
  const auto errors = [this] {
    StringOutput out;
    StringOutput text;
    IncidentsCommand command;
    command.query = query_;
    EXPECT_THAT(RunIncidents(command, &out, &text, SystemClock()), IsOk());
    EXPECT_THAT(out.text, HasSubstr("(no incidents)"));
    return text.text;
  };
  EXPECT_EQ(errors(), "");
  query_.pod_name = "p1";
  EXPECT_EQ(errors(), "");
  query_.role = "nobody";
  EXPECT_EQ(errors(),
            "fodcctl: no node has this --role and --pod-name; there are:\n"
            "  p1 (data)\n  p2 (-)\n");
}

TEST_F(EmptyAnswerTest, AnAnswerWithSamplesIsNotEmpty) {
  SetAnswer("# TYPE x gauge\nx 1 1\n# EOF\n");
  EXPECT_EQ(Metrics({}), "");
  EXPECT_EQ(Window(SampleFormat::kOpenMetrics, {}), "");
  EXPECT_EQ(Window(SampleFormat::kCsv, {}), "");
  SetAnswer("[\n{\"name\":\"x\"}\n]\n");
  EXPECT_EQ(Window(SampleFormat::kJson, {}), "");
}

}  // namespace
}  // namespace fodc::ctl
