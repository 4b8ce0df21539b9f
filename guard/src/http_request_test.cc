// SPDX-License-Identifier: Apache-2.0
#include "http_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fodc::guard {
namespace {

TEST(ParseHttpRequestTest, ReadsAGet) {
  HttpRequest r;
  ASSERT_EQ(ParseHttpRequest("GET /debug/pprof/symbol?0x1+0x2 HTTP/1.1\r\n"
                             "Host: x\r\nauthorization:  Bearer abc \r\n\r\n",
                             &r),
            200);
  EXPECT_FALSE(r.is_post);
  EXPECT_FALSE(r.is_http_1_0);
  EXPECT_EQ(r.path, "/debug/pprof/symbol");
  EXPECT_EQ(r.query, "0x1+0x2");
  EXPECT_EQ(r.authorization, "Bearer abc");
}

TEST(ParseHttpRequestTest, ReadsAPostWithItsLength) {
  HttpRequest r;
  ASSERT_EQ(
      ParseHttpRequest("POST /x HTTP/1.0\r\nContent-Length: 12\r\n\r\n", &r),
      200);
  EXPECT_TRUE(r.is_post);
  EXPECT_TRUE(r.is_http_1_0);
  EXPECT_EQ(r.body_bytes, 12u);
}

struct Bad {
  int status;
  const char* head;
};

TEST(ParseHttpRequestTest, RefusesWhatIsNotSurelyWellFormed) {
  for (const Bad& bad : {
           Bad{400, ""},
           {400, "GET\r\n\r\n"},
           {400, "GET /\r\nHost: x\r\n\r\n"},
           {400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
           {400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
           {400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
           {400, "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"},
           {400, "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n"},
           {400, "GET / HTTP/1.1\nHost: x\n\n"},
           {400, "GET / HTTP/1.1\r\nHost: x\r\n"},
           {400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
           {400,
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            "Content-Length: 1\r\n\r\n"},
           {400,
            "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n"
            "Authorization: b\r\n\r\n"},
           {405, "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"},
           {405, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"},
           {411, "POST / HTTP/1.1\r\nHost: x\r\n\r\n"},
           {413, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"},
           {413, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"},
           {501,
            "POST / HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"},
           {505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
       }) {
    HttpRequest r;
    EXPECT_EQ(ParseHttpRequest(bad.head, &r), bad.status) << bad.head;
    EXPECT_NE(HttpStatusText(bad.status), "Unknown");
  }
}

TEST(ParseHttpRequestTest, BoundsTheHeaders) {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 1; i < kMaxRequestHeaders; ++i) head += "A: b\r\n";
  HttpRequest r;
  EXPECT_EQ(ParseHttpRequest(head + "\r\n", &r), 200);
  EXPECT_EQ(ParseHttpRequest(head + "A: b\r\n\r\n", &r), 431);
}

}  // namespace
}  // namespace fodc::guard
