// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/token_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr UnixTime kNow{1'767'225'600s};

TEST(TokenOfTest, TakesNumbersAsNumbersAndAsTexts) {
  for (const char* body :
       {R"({"access_token":"t","expires_in":3600})",
        R"({"access_token":"t","expires_in":"3600"})",
        R"({"access_token":"t","expires_on":1767229200})",
        R"({"access_token":"t","expires_on":"1767229200"})"}) {
    const auto token = TokenOf({.status = 200, .body = body}, "it", kNow);
    ASSERT_THAT(token, IsOk()) << body;
    EXPECT_EQ(token->value, "t");
    EXPECT_EQ(token->expires, kNow + 1h);
  }
}

TEST(TokenOfTest, NoAnswerIsQuotedThatMayHoldASecret) {
  for (const char* body :
       {"", "[]", "{}", R"({"access_token":"secret"})",
        R"({"access_token":"secret","expires_in":-1})",
        R"({"access_token":"secret","expires_in":90000})",
        R"({"access_token":"secret","expires_on":"yesterday"})",
        R"({"access_token":"secret","expires_on":5})",
        R"({"access_token":"secret\r\nA: b","expires_in":3600})",
        R"({"access_token":7,"expires_in":3600})"}) {
    EXPECT_THAT(
        TokenOf({.status = 200, .body = body}, "it", kNow),
        StatusIs(Code::kUnauthenticated, AllOf(HasSubstr("it gives no token"),
                                               Not(HasSubstr("secret")))))
        << body;
  }
}

TEST(TokenOfTest, TheFirstLineSaysWhy) {
  const std::string why(500, 'x');
  EXPECT_THAT(
      TokenOf({.status = 400,
               .body = R"({"error":"e","error_description":"why\r\nTrace"})"},
              "it", kNow),
      StatusIs(Code::kUnauthenticated, "it answers HTTP 400: why"));
  const auto cut = TokenOf(
      {.status = 401,
       .body = StrCat(R"({"error":"e","error_description":")", why, "\"}")},
      "it", kNow);
  EXPECT_LT(cut.status().message().size(), 250U);
}

TEST(RequestOfTest, KeepsTheQueryWithThePath) {
  EXPECT_EQ(RequestOf("http://h:1").path, "/");
  const HttpRequest request = RequestOf("http://h:1/a?b=c");
  EXPECT_EQ(request.origin, "http://h:1");
  EXPECT_EQ(request.path, "/a?b=c");
  EXPECT_EQ(RequestOf("no URL").origin, "no URL");
}

class AskPatientlyTest : public ::testing::Test {
 protected:
  Result<HttpAnswer> Ask(std::stop_token stop = {}) {
    return AskPatiently(transport_, clock_, {.origin = server_.origin()}, stop);
  }

  FakeClock clock_;
  std::atomic<int> asked_ = 0;
  Answers<int> answer_;
  const StoreServer server_{
      [this](const ServedRequest&) { return answer_(++asked_); }};
  Transport transport_{{}};
};

TEST_F(AskPatientlyTest, WhatPassesIsAskedThreeTimes) {
  for (const int status : {0, 408, 410, 429, 500, 503}) {
    SCOPED_TRACE(status);
    asked_ = 0;
    answer_ = [status](int n) {
      if (n == 3) return ServedAnswer{.body = "there"};
      return ServedAnswer{.status = status, .cuts = status == 0};
    };
    const auto answer = Ask();
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->body, "there");
    asked_ = 0;
    answer_ = [status](int) {
      return ServedAnswer{.status = status, .cuts = status == 0};
    };
    const auto last = Ask();
    EXPECT_EQ(last.ok() ? last->status : 0, status);
    EXPECT_GE(asked_, 3);  // curl asks once more where a kept connection ends
    EXPECT_LE(asked_, 5);
  }
}

TEST_F(AskPatientlyTest, WhatIsRefusedIsAskedOnce) {
  for (const int status : {400, 401, 403, 404}) {
    asked_ = 0;
    answer_ = [status](int) { return ServedAnswer{.status = status}; };
    EXPECT_EQ(Ask()->status, status);
    EXPECT_EQ(asked_, 1);
  }
}

// Where nobody answers, the wait for a connection is not had three times.
TEST_F(AskPatientlyTest, WhatTakesLongIsNotAskedAgain) {
  answer_ = [this](int) {
    clock_.Advance(5s);
    return ServedAnswer{.status = 503};
  };
  EXPECT_EQ(Ask()->status, 503);
  EXPECT_EQ(asked_, 1);
}

TEST_F(AskPatientlyTest, IsStopped) {
  std::stop_source stop;
  answer_ = [&](int) {
    stop.request_stop();
    return ServedAnswer{.status = 503};
  };
  EXPECT_THAT(Ask(stop.get_token()), StatusIs(Code::kCancelled, _));
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace fodc::object_store
