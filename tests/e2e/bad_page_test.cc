// SPDX-License-Identifier: Apache-2.0
// Endpoints that misbehave cost themselves, are counted with a reason, said
// once in the log, and keep nobody else from being on time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGoodPage =
    "# TYPE good gauge\ngood 1\ngood_total 2\n";

// Something counted under this reason, whatever the metric is called.
double Counted(const std::string& page, const std::string& reason) {
  double sum = 0;
  for (const TextSample& s : ReadPage(page)) {
    const auto it = s.labels.find("reason");
    if (it != s.labels.end() && it->second == reason) sum += s.value;
  }
  return sum;
}

std::size_t Count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = text.find(word); at != std::string::npos;
       at = text.find(word, at + 1)) {
    ++n;
  }
  return n;
}

// An agent with a good endpoint and a bad one.
class BadPageTest : public testing::Test {
 protected:
  void Run(FakeEndpoint::Handler handler,
           std::vector<std::string> flags = {"--max-page-bytes=65536"}) {
    bad_ = std::make_unique<FakeEndpoint>(std::move(handler));
    RunOnPort(bad_->port(), std::move(flags));
  }
  void RunOnPort(std::uint16_t port,
                 std::vector<std::string> flags = {"--max-page-bytes=65536"}) {
    bad_port_ = port;
    agent_.emplace(dir_, AgentOptions{.pod = "a",
                                      .endpoint_ports = {good_.port(), port},
                                      .containers = {"good", "bad"},
                                      .proxy_ports = {FreePort()},
                                      .flags = std::move(flags)});
    ASSERT_TRUE(agent_->Start());
  }

  std::string Page() { return agent_->Get("/metrics").body; }
  double Up(const std::string& page, std::uint16_t port) {
    for (const TextSample& s : ReadPage(page)) {
      const auto it = s.labels.find("endpoint");
      if (s.name == "up" && it != s.labels.end() &&
          it->second.find(std::to_string(port)) != std::string::npos) {
        return s.value;
      }
    }
    return std::nan("");
  }

  // The bad page is not taken: `up` is 0, the reason counts each scrape, the
  // log says it once, and the good endpoint is scraped at every tick.
  void ExpectRefused(const std::string& reason) {
    std::string page;
    EXPECT_TRUE(WaitUntil([&] {
      page = Page();
      return Counted(page, reason) >= 3;
    })) << reason
        << "\n"
        << page;
    EXPECT_EQ(Up(page, bad_port_), 0);
    EXPECT_EQ(Up(page, good_.port()), 1);
    EXPECT_EQ(ValueOf(page, "good"), 1);
    EXPECT_EQ(Count(agent_->Log(), "reason=" + reason), 1U) << agent_->Log();
    ExpectGoodOnTime();
  }

  // The good endpoint is asked at each of ten ticks: none of its scrapes waits
  // for the bad one's.
  void ExpectGoodOnTime() {
    const auto late = [&] {
      for (const TextSample& s : ReadPage(Page())) {
        if (s.name == "fodc_agent_late_scrapes_total" &&
            s.labels.at("endpoint").find(std::to_string(good_.port())) !=
                std::string::npos) {
          return s.value;
        }
      }
      return 0.0;
    };
    const double late_before = late();
    const std::uint64_t before = good_.requests();
    ASSERT_TRUE(WaitUntil([&] { return good_.requests() >= before + 10; }));
    EXPECT_EQ(late(), late_before);
  }

  // An agent never falls over its input.
  void TearDown() override {
    if (!agent_.has_value()) return;
    EXPECT_TRUE(agent_->process().Running()) << agent_->Log();
    EXPECT_EQ(agent_->Stop(), 0) << agent_->Log();
  }

  TempDirectory dir_{"fodc-bad-page"};
  FakeEndpoint good_{std::string(kGoodPage)};
  std::unique_ptr<FakeEndpoint> bad_;
  std::uint16_t bad_port_ = 0;
  std::optional<FodcAgent> agent_;
};

TEST_F(BadPageTest, BadLinesAndDuplicatesCostThemselvesOnly) {
  Run([](std::string_view, Exchange& e) {
    e.Answer(200,
             "first 1\n"
             "bad{unclosed=\"x 2\n"
             "worse value\n"
             "twice{a=\"1\",b=\"2\"} 3\n"
             "twice{b=\"2\",a=\"1\"} 4\n"
             "utf{a=\"\xff\xfe\"} 5\n"
             "last 6\n");
  });
  std::string page;
  ASSERT_TRUE(WaitUntil([&] {
    page = Page();
    return ValueOf(page, "last") == 6;
  })) << page;
  EXPECT_EQ(Up(page, bad_port_), 1);
  EXPECT_EQ(ValueOf(page, "first"), 1);
  EXPECT_EQ(ValueOf(page, "twice"), 3);
  EXPECT_EQ(Find(ReadPage(page), "twice", {}).size(), 1U);
  EXPECT_TRUE(std::isnan(ValueOf(page, "bad")));
  EXPECT_TRUE(std::isnan(ValueOf(page, "utf")));
  EXPECT_GT(Counted(page, "bad_labels"), 0) << page;
  EXPECT_GT(Counted(page, "bad_value"), 0);
  EXPECT_GT(Counted(page, "duplicate_series"), 0);
  EXPECT_GT(Counted(page, "bad_utf8"), 0);
  ExpectGoodOnTime();
  EXPECT_EQ(Count(agent_->Log(), "reason=bad_labels"), 1U) << agent_->Log();
}

TEST_F(BadPageTest, TruncatedPage) {
  // Content-Length promises more than comes.
  Run([](std::string_view, Exchange& e) {
    e.Send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
        "1000\r\n\r\nfirst 1\nsec");
    e.Close();
  });
  ExpectRefused("bad_encoding");
}

TEST_F(BadPageTest, PageWithACutLine) {
  Run([](std::string_view, Exchange& e) {
    e.Answer(200, "first 1\nsecond{a=\"b");
  });
  std::string page;
  ASSERT_TRUE(WaitUntil([&] {
    page = Page();
    return ValueOf(page, "first") == 1;
  }));
  EXPECT_EQ(Up(page, bad_port_), 1);
  EXPECT_GT(Counted(page, "truncated"), 0) << page;
}

TEST_F(BadPageTest, PageOverTheLimit) {
  Run([](std::string_view, Exchange& e) {
    e.Answer(200, "first 1\n# " + std::string(70'000, 'x') + "\n");
  });
  ExpectRefused("too_large");
}

TEST_F(BadPageTest, SmallGzipThatUnpacksToALargePage) {
  // 10 MiB of zeros in 10 kB.
  const std::string path = dir_.File("bomb.gz");
  ASSERT_EQ(
      RunToEnd({"sh", "-c", "head -c 10485760 /dev/zero | gzip -9 > " + path})
          .exit_code,
      0);
  const auto bomb = ReadFile(path);
  ASSERT_TRUE(bomb.ok());
  Run([body = *bomb](std::string_view, Exchange& e) {
    e.Answer(200, body, "text/plain", "Content-Encoding: gzip\r\n");
  });
  ExpectRefused("too_large");
}

TEST_F(BadPageTest, GzipGarbage) {
  Run([](std::string_view, Exchange& e) {
    e.Answer(200, "this is not gzip at all", "text/plain",
             "Content-Encoding: gzip\r\n");
  });
  ExpectRefused("bad_encoding");
}

TEST_F(BadPageTest, WrongContentType) {
  Run([](std::string_view, Exchange& e) {
    e.Answer(200, "<html>first 1</html>\n", "text/html");
  });
  ExpectRefused("content_type");
}

TEST_F(BadPageTest, EndpointThatRefuses) {
  RunOnPort(FreePort());
  ExpectRefused("unreachable");
}

TEST_F(BadPageTest, EndpointThatAnswers500) {
  Run([](std::string_view, Exchange& e) { e.Answer(500, "first 1\n"); });
  ExpectRefused("http_status");
}

TEST_F(BadPageTest, EndpointThatRedirects) {
  Run([this](std::string_view, Exchange& e) {
    e.Answer(
        302, "", "text/plain",
        StrCat("Location: http://127.0.0.1:", good_.port(), "/metrics\r\n"));
  });
  ExpectRefused("redirect");
}

TEST_F(BadPageTest, EndpointThatNeverAnswers) {
  Run([](std::string_view, Exchange& e) {
    e.Hang();
    e.Close();
  });
  ExpectRefused("deadline");
}

TEST_F(BadPageTest, EndpointThatAnswersByteByByte) {
  Run([](std::string_view, Exchange& e) {
    e.Send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    while (e.Send("a")) std::this_thread::sleep_for(50ms);
    e.Close();
  });
  ExpectRefused("deadline");
}

TEST_F(BadPageTest, EndlessPage) {
  Run([](std::string_view, Exchange& e) {
    e.Send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    while (e.Send("endless_total 1\n")) {
    }
    e.Close();
  });
  ExpectRefused("too_large");
}

TEST_F(BadPageTest, EndpointThatRecoversIsUpAgain) {
  std::atomic<bool> well{false};
  Run([&well](std::string_view, Exchange& e) {
    e.Answer(well ? 200 : 500, "back 1\n");
  });
  ASSERT_TRUE(WaitUntil([&] { return Up(Page(), bad_port_) == 0; }));
  well = true;
  EXPECT_TRUE(WaitUntil([&] { return Up(Page(), bad_port_) == 1; }));
  EXPECT_TRUE(WaitUntil([&] { return ValueOf(Page(), "back") == 1; }));
  EXPECT_EQ(agent_->Stop(), 0) << agent_->Log();
  agent_.reset();
  bad_.reset();
}

std::uint64_t StatusKib(pid_t pid, const std::string& field) {
  const auto status = ReadFile(StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  for (const std::string_view line : Split(*status, '\n')) {
    if (line.starts_with(field + ":")) {
      return ParseUint(Split(Trim(line.substr(field.size() + 1)), ' ')[0])
          .value_or(0);
    }
  }
  return 0;
}

TEST_F(BadPageTest, SeriesExplosionIsBoundedAndCounted) {
  std::atomic<int> scrapes{0};
  Run(
      [&scrapes](std::string_view, Exchange& e) {
        // From the third page on, 100,000 series that were never there before.
        const int n = ++scrapes;
        std::string page = "steady 1\n";
        if (n >= 3) {
          for (int i = 0; i < 100'000; ++i) {
            page += StrCat("explosion{id=\"", n, "-", i, "\"} ", i, "\n");
          }
        }
        e.Answer(200, page);
      },
      {"--max-series=10000", "--recorder-memory=4MiB"});
  ASSERT_TRUE(WaitUntil([&] { return scrapes >= 10; }, 30s));
  std::string page;
  EXPECT_TRUE(WaitUntil([&] {
    page = Page();
    return ValueOf(page, "fodc_agent_recording_refused_series_total") >=
           100'000;
  })) << ValueOf(page, "fodc_agent_recording_refused_series_total");
  EXPECT_TRUE(agent_->process().Running());
  EXPECT_LE(ValueOf(page, "fodc_agent_recording_bytes"), 4.0 * (1 << 20));
  EXPECT_EQ(ValueOf(page, "good"), 1);
  EXPECT_EQ(ValueOf(page, "steady"), 1);
  // What is held of the endpoints' series is bounded, and said once. The
  // agent's own readings are beside them.
  const std::size_t own = Count(page, "\nfodc_") + Count(page, "\nktm_");
  EXPECT_LE(ValueOf(page, "fodc_agent_recording_series"),
            10'000 + static_cast<double>(own));
  EXPECT_LE(Count(page, "\nexplosion{"), 10'000U - 2);  // steady, good
  EXPECT_EQ(Count(agent_->Log(), "series are refused: beyond"), 1U)
      << agent_->Log();
  // Pages of 3 MB, their layouts of 100,000 lines, and the recording.
  EXPECT_LT(StatusKib(agent_->process().pid(), "RssAnon"), 120u << 10);
  EXPECT_EQ(agent_->Stop(), 0) << agent_->Log();
  agent_.reset();
  bad_.reset();
}

}  // namespace
}  // namespace fodc::test
