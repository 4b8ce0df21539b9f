// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/store_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreClientTest : public ::testing::Test {
 protected:
  // Answers come in this order; the last one again and again.
  void Answers(std::vector<ServedAnswer> answers) {
    server_ = std::make_unique<StoreServer>(
        [this, answers = std::move(answers)](const ServedRequest&) {
          return answers[std::min(asked_++, answers.size() - 1)];
        });
  }
  StoreClient Client() {
    return {
        {.store = "S3",
         .retry = {.base = 1ms, .most = 2ms, .attempts = 4},
         .on_attempt =
             [this](const AttemptReport& r) { statuses_.push_back(r.status); }},
        {.sign =
             [this](UnixTime now, const std::stop_token&, HttpRequest* r) {
               r->headers.emplace_back("X-Key", key_);
               signed_at_ = now;
               return OkStatus();
             },
         .read_error =
             [](const HttpAnswer& a) {
               return ServiceError{
                   .code = a.body, .message = "why", .request_id = "id-1"};
             },
         .refresh =
             [this](const std::stop_token&) {
               key_ = "new";
               return OkStatus();
             },
         .find_late_error =
             [](const HttpAnswer& a) {
               return ServiceError{.code = a.body == "ok" ? "" : a.body};
             }},
        transport_,
        clock_};
  }
  Result<HttpAnswer> Do(TransferOptions transfer = {}) {
    return client_.Do({.operation = "put",
                       .key = "a/b",
                       .request = {.origin = server_->origin()},
                       .transfer = std::move(transfer)});
  }

  const Clock& clock_ = SystemClock();
  std::string key_ = "old";
  UnixTime signed_at_;
  std::vector<int> statuses_;
  std::atomic<std::size_t> asked_ = 0;
  Transport transport_{{}};
  std::unique_ptr<StoreServer> server_;
  StoreClient client_ = Client();
};

TEST_F(StoreClientTest, TriesAgainWhatMayGoBetter) {
  Answers({{.status = 500, .body = "InternalError"},
           {.raw = "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc"},
           {.status = 503, .body = "SlowDown"},
           {.body = "ok"}});
  EXPECT_THAT(Do(), IsOk());
  EXPECT_THAT(statuses_, ElementsAre(500, 0, 503, 200));
}

TEST_F(StoreClientTest, GivesUpAndSaysAllOfIt) {
  Answers({{.status = 500, .body = "InternalError"}});
  EXPECT_THAT(Do(), StatusIs(Code::kUnavailable,
                             "S3: put a/b: HTTP 500 InternalError: why "
                             "(request id-1), after 4 attempts"));
  EXPECT_EQ(asked_, 4u);
}

TEST_F(StoreClientTest, WhatIsRefusedIsNotTriedAgain) {
  Answers({{.status = 403, .body = "AccessDenied"}});
  EXPECT_THAT(Do(), StatusIs(Code::kPermissionDenied,
                             HasSubstr("HTTP 403 AccessDenied")));
  EXPECT_EQ(asked_, 1u);
}

TEST_F(StoreClientTest, ExpiredCredentialsAreRefreshedOnce) {
  Answers({{.status = 400, .body = "ExpiredToken"}, {.body = "ok"}});
  EXPECT_THAT(Do(), IsOk());
  EXPECT_EQ(server_->requests()[1].At("x-key"), "new");
  Answers({{.status = 401, .body = "no"}});
  asked_ = 0;
  EXPECT_THAT(Do(), StatusIs(Code::kUnauthenticated, _));
  EXPECT_EQ(asked_, 2u);
}

TEST_F(StoreClientTest, TheServersClockIsTaken) {
  Answers({{.status = 403,
            .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}},
            .body = "RequestTimeTooSkewed"},
           {.body = "ok"}});
  EXPECT_THAT(Do(), IsOk());
  const UnixTime theirs = ParseRfc3339("2013-05-24T00:00:00Z").value();
  EXPECT_GE(signed_at_, theirs - 1s);
  EXPECT_LT(signed_at_, theirs + 60s);
}

TEST_F(StoreClientTest, AGoodAnswerMayBeAFailure) {
  Answers({{.body = "InternalError"}, {.body = "ok"}});
  EXPECT_THAT(Do(), IsOk());
  EXPECT_EQ(asked_, 2u);
}

TEST_F(StoreClientTest, WhatHasBegunIsLeftToItsCaller) {
  Answers({{.raw = "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc"}});
  std::string got;
  EXPECT_THAT(Do({.sink =
                      [&got](std::string_view piece) {
                        got += piece;
                        return OkStatus();
                      }}),
              StatusIs(Code::kUnavailable, _));
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(asked_, 1u);
}

TEST_F(StoreClientTest, AStopEndsTheWaiting) {
  Answers(
      {{.status = 503, .headers = {{"Retry-After", "60"}}, .body = "busy"}});
  std::stop_source stop;
  std::jthread stopper([&] {
    while (asked_ == 0) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_THAT(Do({.stop = stop.get_token()}), StatusIs(Code::kCancelled, _));
}

TEST_F(StoreClientTest, NobodyThereIsSaid) {
  Answers({{.body = "ok"}});
  EXPECT_THAT(client_.Do({.operation = "list",
                          .key = "p",
                          .request = {.origin = "http://127.0.0.1:1"}}),
              StatusIs(Code::kUnavailable, AllOf(HasSubstr("S3: list p"),
                                                 HasSubstr("127.0.0.1:1"))));
}

TEST(CodeOfAnswerTest, FitsWhatIsSaid) {
  EXPECT_EQ(CodeOfAnswer(404, "NoSuchKey"), Code::kNotFound);
  EXPECT_EQ(CodeOfAnswer(412, "PreconditionFailed"), Code::kAlreadyExists);
  EXPECT_EQ(CodeOfAnswer(400, "BadDigest"), Code::kDataLoss);
  EXPECT_EQ(CodeOfAnswer(400, "InvalidArgument"), Code::kInvalidArgument);
  EXPECT_EQ(CodeOfAnswer(507, ""), Code::kResourceExhausted);
  EXPECT_EQ(CodeOfAnswer(403, "QuotaExceeded"), Code::kResourceExhausted);
  EXPECT_EQ(CodeOfAnswer(503, "SlowDown"), Code::kUnavailable);
  EXPECT_EQ(CodeOfAnswer(301, "PermanentRedirect"), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace fodc::object_store
