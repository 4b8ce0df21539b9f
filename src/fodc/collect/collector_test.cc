// SPDX-License-Identifier: Apache-2.0
// The scrape loop against real servers on loopback, well-behaved and not. Time
// is a fake clock's; only the client's deadlines are real.
#include "fodc/collect/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fodc/collect/collector_testing.h"
#include "fodc/net/compression.h"
#include "tests/support/gzip.h"

namespace fodc::collect {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// Never ends.
class EndlessBody final : public net::BodySource {
 public:
  Result<net::BodyStep> Next(std::string* piece, std::size_t n) override {
    piece->append(n, 'a');
    return net::BodyStep::kMore;
  }
};

using CollectorTest = CollectorFixture;

TEST_F(CollectorTest, RecordsThePageAndHowTheScrapeWent) {
  ServePage("/m", "a 1\nb{x=\"}\"} 2\n");
  Make({Url("/m")});
  int recorded = 0;
  collector_->set_on_recorded([&] { ++recorded; });
  EXPECT_FALSE(status().tried);
  collector_->Start();
  ASSERT_TRUE(Scraped(1));  // the first tick is due at once
  EXPECT_TRUE(status().tried);
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("a{}", 1), Pair("b{x=\"}\"}", 2)));
  EXPECT_EQ(Own("/m", "up"), 1);
  EXPECT_EQ(Own("/m", "scrape_samples_scraped"), 2);
  EXPECT_EQ(Own("/m", "scrape_errors_total"), 0);
  EXPECT_EQ(Own("/m", "scrape_bad_lines_total"), 0);
  EXPECT_EQ(Own("/m", "scrape_page_bytes"), 15);
  EXPECT_GE(Own("/m", "scrape_duration_seconds"), 0);
  EXPECT_EQ(recorded, 1);
  for (const auto& frame : recording_.Take().Latest())
    EXPECT_EQ(frame.container_name, "db");
}

TEST_F(CollectorTest, TicksDoNotDriftAndMissedOnesAreCounted) {
  ServePage("/m", "a 1\n");
  Make({Url("/m")});
  const std::int64_t start = ToUnixMillis(clock_.Unix());
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  clock_.Advance(1300ms);  // late
  ASSERT_TRUE(Scraped(2));
  clock_.Advance(700ms);  // exactly at start + 2 s
  ASSERT_TRUE(Scraped(3));
  EXPECT_EQ(collector_->missed_ticks(), 0u);
  clock_.Advance(3500ms);  // those at 3 and 4 s are lost, 5 s is late
  ASSERT_TRUE(Scraped(4));
  EXPECT_EQ(collector_->missed_ticks(), 2u);
  clock_.Advance(500ms);
  ASSERT_TRUE(Scraped(5));
  EXPECT_THAT(FrameTimes(recording_, Url("/m")),
              ElementsAre(start, start + 1300, start + 2000, start + 5500,
                          start + 6000));
}

TEST_F(CollectorTest, KeepsItsConnection) {
  ServePage("/m", "a 1\n");
  Make({Url("/m")});
  collector_->Start();
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(Scraped(static_cast<std::uint64_t>(i)));
    clock_.Advance(1s);
  }
  EXPECT_EQ(client_.stats().connections, 1u);
}

TEST_F(CollectorTest, AsksForTextAndForGzipOnlyWhenItPays) {
  ServePage("/m", "a 1\n");
  Make({Url("/m")});
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  EXPECT_THAT(std::string(requests_.back().Header("Accept")),
              HasSubstr("text/plain;version=0.0.4"));
  EXPECT_EQ(requests_.back().coding, net::ContentCoding::kIdentity);

  // Of another machine by itself, unless told not to.
  are_elsewhere_ = true;
  for (const auto compression :
       {PageCompression::kAuto, PageCompression::kNever}) {
    options_.compression = compression;
    Make({Url("/m")});
    collector_->Start();
    ASSERT_TRUE(Scraped(1));
    EXPECT_EQ(requests_.back().coding != net::ContentCoding::kIdentity,
              compression == PageCompression::kAuto);
  }
  are_elsewhere_ = false;

  options_.compression = PageCompression::kAlways;
  std::string page = "a 2\n";
  for (int i = 0; i < 1000; ++i) page += StrCat("b{i=\"", i, "\"} 1\n");
  ServePage("/m", page);
  Make({Url("/m")});
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  EXPECT_NE(requests_.back().coding, net::ContentCoding::kIdentity);
  EXPECT_EQ(Page("/m").size(), 1001u);
  EXPECT_EQ(Own("/m", "scrape_page_bytes"), static_cast<double>(page.size()));
}

struct Failure {
  std::string_view name;
  ScrapeError error;
  std::function<HttpResponse()> answer;
};

HttpResponse Make(int http_status, std::string type, std::string body) {
  HttpResponse r;
  r.status = http_status;
  r.content_type = std::move(type);
  r.body = std::move(body);
  return r;
}

std::vector<Failure> Failures() {
  return {
      {"not found", ScrapeError::kHttpStatus,
       [] { return Make(404, "text/plain", "no\n"); }},
      {"server error", ScrapeError::kHttpStatus,
       [] { return Make(500, kText, "a 1\n"); }},
      {"no content", ScrapeError::kHttpStatus,
       [] { return Make(204, kText, ""); }},
      {"redirect", ScrapeError::kRedirect,
       [] {
         HttpResponse r = Make(302, kText, "");
         r.headers.push_back({"Location", "/elsewhere"});
         return r;
       }},
      {"html", ScrapeError::kContentType,
       [] { return Make(200, "text/html", "<html>\n"); }},
      {"protobuf", ScrapeError::kContentType,
       [] {
         return Make(200,
                     "application/vnd.google.protobuf; proto=io.prometheus."
                     "client.MetricFamily; encoding=delimited",
                     "x");
       }},
      {"too large", ScrapeError::kTooLarge,
       [] { return Make(200, kText, std::string(100'000, 'a')); }},
      {"endless", ScrapeError::kTooLarge,
       [] {
         HttpResponse r = Make(200, kText, "");
         r.source = std::make_unique<EndlessBody>();
         return r;
       }},
      {"gzip garbage", ScrapeError::kBadEncoding,
       [] {
         HttpResponse r = Make(200, kText, "this is not gzip at all");
         r.coded_as = net::ContentCoding::kGzip;
         return r;
       }},
      {"gzip bomb", ScrapeError::kTooLarge,
       [] {
         // NOLINTNEXTLINE(bugprone-string-constructor): large on purpose
         const std::string blanks(10'000'000, ' ');
         HttpResponse r = Make(200, kText, test::Gzip(blanks));
         r.coded_as = net::ContentCoding::kGzip;
         return r;
       }},
      {"gzip cut short", ScrapeError::kBadEncoding,
       [] {
         HttpResponse r = Make(200, kText, test::Gzip("a 1\n").substr(0, 20));
         r.coded_as = net::ContentCoding::kGzip;
         return r;
       }},
  };
}

// Whatever the endpoint answers: up is 0, the reason is counted, its source
// gets no frame, one line is logged for the change and none for the repetition,
// the neighbour is on time, and afterwards all is well again.
TEST_F(CollectorTest, AFailureIsCountedAndCostsNobodyElse) {
  options_.max_page_bytes = 50'000;
  options_.compression = PageCompression::kAlways;
  ServePage("/good", "g 1\n");
  for (const Failure& failure : Failures()) {
    SCOPED_TRACE(failure.name);
    LogCapture log;
    ServePage("/m", "a 1\n");
    Make({Url("/m"), Url("/good")});
    collector_->Start();
    ASSERT_TRUE(Scraped(1));
    EXPECT_EQ(Own("/m", "up"), 1);
    Serve("/m", failure.answer);
    for (std::uint64_t n = 2; n <= 4; ++n) {
      clock_.Advance(1s);
      ASSERT_TRUE(Scraped(n));
    }
    EXPECT_EQ(Own("/m", "up"), 0);
    EXPECT_EQ(Own("/m", "scrape_samples_scraped"), 0);
    EXPECT_EQ(Own("/m", "scrape_errors_total"), 3);
    EXPECT_EQ(status().errors[static_cast<std::size_t>(failure.error)], 3u)
        << ScrapeErrorName(status().last_error);
    EXPECT_THAT(FrameTimes(recording_, Url("/m")), SizeIs(1));
    EXPECT_THAT(FrameTimes(recording_, Url("/good")), SizeIs(4));
    EXPECT_THAT(log.Lines("endpoint is down"), SizeIs(1));
    EXPECT_THAT(log.Lines("endpoint is down"),
                Contains(HasSubstr(ScrapeErrorName(failure.error))));
    ServePage("/m", "a 5\n");
    clock_.Advance(1s);
    ASSERT_TRUE(Scraped(5));
    EXPECT_EQ(Own("/m", "up"), 1);
    EXPECT_THAT(Page("/m"), ElementsAre(Pair("a{}", 5)));
    EXPECT_THAT(log.Lines("endpoint is up"), SizeIs(3));  // m, good, m again
  }
}

TEST_F(CollectorTest, NobodyListens) {
  std::string url;
  {
    net::HttpServer gone(loop_);
    ASSERT_TRUE(gone.Listen("127.0.0.1:0").ok());
    url = StrCat("http://127.0.0.1:", gone.port(), "/m");
  }
  LogCapture log;
  Make({url});
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  EXPECT_EQ(status().last_error, ScrapeError::kUnreachable);
  EXPECT_TRUE(status().tried);
  EXPECT_THAT(log.Lines("endpoint is down"), SizeIs(1));
}

TEST_F(CollectorTest, PasswordsStayOutOfTheLog) {
  LogCapture log;
  std::string url;
  {
    net::HttpServer gone(loop_);
    ASSERT_TRUE(gone.Listen("127.0.0.1:0").ok());
    url = StrCat("http://me:secret@127.0.0.1:", gone.port(), "/m");
  }
  Make({url});
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  EXPECT_THAT(log.Lines("endpoint is down"), SizeIs(1));
  EXPECT_THAT(log.Lines("secret"), IsEmpty());
}

TEST_F(CollectorTest, ASilentEndpointMeetsItsDeadlineAndTheOthersAreOnTime) {
  options_.timeout = 100ms;
  ServePage("/good", "g 1\n");
  std::vector<net::Responder> silent;
  server_.Route("/silent", net::Access::kPublic,
                net::HttpHandler([&](auto, net::Responder responder) {
                  silent.push_back(std::move(responder));
                }));
  Make({Url("/silent"), Url("/good")});
  collector_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return status(1).scrapes == 1; }));
  EXPECT_EQ(status(0).scrapes, 0u);  // still waiting: nobody waits for it
  ASSERT_TRUE(Scraped(1));
  EXPECT_EQ(status(0).last_error, ScrapeError::kDeadline);
  EXPECT_EQ(status(1).up, true);
  silent.clear();
}

// A tick that finds the previous scrape still in flight is not lost: its
// scrape begins as soon as that one has ended.
TEST_F(CollectorTest, AScrapeThatOverrunsDelaysItsOwnNextOneOnly) {
  ServePage("/good", "g 1\n");
  std::vector<net::Responder> held;
  server_.Route("/slow", net::Access::kPublic,
                net::HttpHandler([&](auto, net::Responder responder) {
                  held.push_back(std::move(responder));
                }));
  Make({Url("/slow"), Url("/good")});
  collector_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return held.size() == 1; }));
  clock_.Advance(1s);
  ASSERT_TRUE(loop_.RunUntil([&] { return status(1).scrapes == 2; }));
  EXPECT_EQ(held.size(), 1u);
  held[0].Send(::fodc::collect::Make(200, kText, "s 1\n"));
  ASSERT_TRUE(loop_.RunUntil([&] { return held.size() == 2; }));
  EXPECT_EQ(status(0).late, 1u);
  held[1].Send(::fodc::collect::Make(200, kText, "s 2\n"));
  ASSERT_TRUE(loop_.RunUntil([&] { return status(0).scrapes == 2; }));
  EXPECT_THAT(FrameTimes(recording_, Url("/slow")), SizeIs(2));
  held.clear();
}

TEST_F(CollectorTest, AStepOfTheClockIsSeenAndNothingIsLost) {
  LogCapture log;
  ServePage("/m", "a 1\n");
  Make({Url("/m")});
  const std::int64_t start = ToUnixMillis(clock_.Unix());
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  clock_.StepUnix(-1h);
  clock_.Advance(1s);
  ASSERT_TRUE(Scraped(2));
  clock_.StepUnix(2h);
  clock_.Advance(1s);
  ASSERT_TRUE(Scraped(3));
  EXPECT_EQ(collector_->clock_watch().steps(), 2u);
  EXPECT_EQ(collector_->clock_watch().offset(), 1h);
  EXPECT_THAT(log.Lines("the wall clock stepped"), SizeIs(2));
  EXPECT_THAT(
      FrameTimes(recording_, Url("/m")),
      ElementsAre(start, start + 1000 - 3'600'000, start + 2000 + 3'600'000));
}

TEST_F(CollectorTest, ReadersRunAtEachTickWithItsTime) {
  ServePage("/m", "a 1\n");
  Make({Url("/m")});
  std::vector<std::int64_t> times;
  collector_->AddReader(
      [&](recorder::FrameTime time) { times.push_back(time.unix_ms); });
  const std::int64_t start = ToUnixMillis(clock_.Unix());
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  clock_.Advance(1s);
  ASSERT_TRUE(Scraped(2));
  EXPECT_THAT(times, ElementsAre(start, start + 1000));
}

TEST_F(CollectorTest, StopEndsTheTicksAndWhatIsInFlight) {
  std::vector<net::Responder> held;
  server_.Route("/slow", net::Access::kPublic,
                net::HttpHandler([&](auto, net::Responder responder) {
                  held.push_back(std::move(responder));
                }));
  Make({Url("/slow")});
  collector_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return held.size() == 1; }));
  collector_->Stop();
  ASSERT_TRUE(loop_.RunUntil([&] { return client_.stats().in_flight == 0; }));
  clock_.Advance(10s);
  loop_.RunReady();
  EXPECT_EQ(status().scrapes, 0u);
  EXPECT_EQ(collector_->ticks(), 1u);
  EXPECT_THAT(recording_.Take().Latest(), IsEmpty());
  held.clear();
}

}  // namespace
}  // namespace fodc::collect
