// SPDX-License-Identifier: Apache-2.0
// Streamed bodies whose length is said beforehand.
#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <optional>

#include "fodc/base/status_matchers.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::net {
namespace {

using NextPiece = std::function<Result<BodyStep>(std::string*, std::size_t)>;

class Source final : public BodySource {
 public:
  Source(NextPiece* next, bool* is_alive) : next_(next), is_alive_(is_alive) {
    *is_alive_ = true;
  }
  ~Source() override { *is_alive_ = false; }
  Result<BodyStep> Next(std::string* piece, std::size_t max) override {
    return (*next_)(piece, max);
  }

 private:
  NextPiece* const next_;
  bool* const is_alive_;
};

class HttpServerLengthTest : public ::testing::Test {
 protected:
  HttpServerLengthTest() {
    server_.Route("/stream", Access::kViewer, [this](const HttpRequest&) {
      HttpResponse r;
      r.source = std::make_unique<Source>(&next_, &is_alive_);
      r.source_bytes = source_bytes_;
      r.may_compress = false;
      return r;
    });
    EXPECT_THAT(server_.Listen("127.0.0.1:0"), IsOk());
  }

  NextPiece next_;
  bool is_alive_ = false;
  std::optional<std::uint64_t> source_bytes_;
  FakeClock clock_;
  EventLoop loop_{clock_};
  HttpServer server_{loop_};
};

TEST_F(HttpServerLengthTest, AStreamOfAKnownLengthSaysIt) {
  source_bytes_ = 900'000;
  int n = 0;
  next_ = [&](std::string* piece, std::size_t) {
    piece->append(300'000, static_cast<char>('a' + n));
    return ++n % 3 == 0 ? BodyStep::kDone : BodyStep::kMore;
  };
  RawClient c(loop_, server_.port());
  for (int i = 0; i < 2; ++i) {  // the connection goes on behind it
    n = 0;
    c.Get("/stream", "Accept-Encoding: gzip\r\n");
    const RawResponse r = c.Read();
    EXPECT_TRUE(r.complete);
    EXPECT_EQ(r.Header("Content-Length"), "900000");
    EXPECT_EQ(r.Header("Transfer-Encoding"), "");
    EXPECT_EQ(r.Header("Content-Encoding"), "");
    EXPECT_EQ(r.body.size(), 900'000u);
    EXPECT_EQ(r.body.back(), 'c');
  }
  EXPECT_EQ(server_.stats().bodies_aborted, 0u);
}

TEST_F(HttpServerLengthTest, AStreamOfAnotherLengthThanItSaidIsCut) {
  for (const std::uint64_t said : {599'999u, 600'001u, 300'000u}) {
    source_bytes_ = said;
    int n = 0;
    next_ = [&](std::string* piece, std::size_t) {
      piece->append(300'000, 'x');
      return ++n == 2 ? BodyStep::kDone : BodyStep::kMore;
    };
    const std::uint64_t before = server_.stats().bodies_aborted;
    RawClient c(loop_, server_.port());
    c.Get("/stream");
    const RawResponse r = c.Read();
    EXPECT_TRUE(c.WaitForEnd()) << said;
    EXPECT_EQ(server_.stats().bodies_aborted, before + 1) << said;
    EXPECT_FALSE(is_alive_);
    // Never more than was said, and nothing behind it that a next answer could
    // be taken for.
    EXPECT_LE(r.body.size(), said);
  }
}

TEST_F(HttpServerLengthTest, WhatIsWrongBeforeTheFirstByteIsAnError) {
  source_bytes_ = 10;
  next_ = [](std::string* piece, std::size_t) {
    piece->append(11, 'x');
    return BodyStep::kDone;
  };
  RawClient c(loop_, server_.port());
  c.Get("/stream");
  const RawResponse r = c.Read();
  EXPECT_TRUE(r.complete);
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(r.body, "the body is not as long as was said\n");
  EXPECT_EQ(server_.stats().bodies_aborted, 1u);
}

}  // namespace
}  // namespace fodc::net
