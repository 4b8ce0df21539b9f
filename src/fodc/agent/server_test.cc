// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/net/http_client.h"

namespace fodc::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AgentServerTest : public ::testing::Test {
 protected:
  Server::Sources Sources() {
    return {.page =
                [this](exposition::Format format) {
                  std::vector<program::OwnFamily> own = {
                      {.name = "x", .samples = {{.name = "x", .value = 1}}}};
                  for (int i = 0; i < more_families_; ++i) {
                    const std::string name = StrCat("y", i);
                    own.push_back({.name = name,
                                   .samples = {{.name = name, .value = 2}}});
                  }
                  return std::make_unique<LatestPage>(
                      std::vector<LatestPage::Part>(), own, format);
                },
            .not_ready = [this] { return reasons_; },
            .explain = [] { return "{\"enabled\":false}\n"; }};
  }
  Result<std::unique_ptr<Server>> Start(std::string main, std::string diagnosis,
                                        bool required = false) {
    return Server::Start(loop_,
                         {.listen_address = std::move(main),
                          .diagnosis_address = std::move(diagnosis),
                          .diagnosis_required = required,
                          .version = "1.2",
                          .revision = "abc"},
                         Sources());
  }
  net::HttpClientResult Get(std::uint16_t port, std::string_view path,
                            std::string accept = "") {
    net::HttpClientRequest request;
    request.url = StrCat("http://127.0.0.1:", port, path);
    request.accept_compressed = accept_compressed_;
    if (!accept.empty()) request.headers = {{"Accept", std::move(accept)}};
    std::optional<net::HttpClientResult> got;
    client_.Get(std::move(request), [&](net::HttpClientResult r) {
      loop_.Post([&got, r = std::move(r)]() mutable { got = std::move(r); });
    });
    EXPECT_TRUE(loop_.RunUntil([&] { return got.has_value(); }));
    return *std::move(got);
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  net::HttpClient client_;
  std::vector<std::string> reasons_;
  int more_families_ = 0;
  bool accept_compressed_ = true;
};

TEST_F(AgentServerTest, AnswersItsRoutes) {
  auto server = Start("127.0.0.1:0", "localhost:0");
  ASSERT_TRUE(server.ok()) << server.status().message();
  const std::uint16_t port = (*server)->port();
  EXPECT_EQ(Get(port, "/metrics").body, "# TYPE x gauge\nx 1\n");
  EXPECT_THAT(Get(port, "/metrics").content_type,
              StartsWith("text/plain; version=0.0.4"));
  const auto open =
      Get(port, "/metrics", "application/openmetrics-text;version=1.0.0");
  EXPECT_THAT(open.content_type, StartsWith("application/openmetrics-text"));
  EXPECT_THAT(open.body, HasSubstr("# EOF\n"));
  EXPECT_EQ(Get(port, "/healthz").http_status, 200);
  EXPECT_EQ(Get(port, "/version").body,
            "{\"program\":\"fodc-agent\",\"version\":\"1.2\",\"revision\":"
            "\"abc\"}\n");
  EXPECT_EQ(Get(port, "/explain").body, "{\"enabled\":false}\n");
  EXPECT_EQ(Get(port, "/explain").content_type, "application/json");
  EXPECT_EQ(Get(port, "/nothing").http_status, 404);
}

TEST_F(AgentServerTest, PacksItsPageForWhoWantsThat) {
  auto server = Start("127.0.0.1:0", "localhost:0");
  ASSERT_TRUE(server.ok());
  more_families_ = 2000;
  const auto packed = Get((*server)->port(), "/metrics");
  EXPECT_THAT(packed.body, HasSubstr("\ny1999 2\n"));
  EXPECT_LT(packed.wire_bytes, packed.body_bytes / 4);
  accept_compressed_ = false;
  const auto plain = Get((*server)->port(), "/metrics");
  EXPECT_EQ(plain.wire_bytes, plain.body_bytes);
  EXPECT_EQ(plain.body, packed.body);
}

TEST_F(AgentServerTest, SaysWhyItIsNotReady) {
  auto server = Start("127.0.0.1:0", "localhost:0");
  ASSERT_TRUE(server.ok());
  reasons_ = {"not yet scraped: http://h/m"};
  const auto answer = Get((*server)->port(), "/readyz");
  EXPECT_EQ(answer.http_status, 503);
  EXPECT_EQ(answer.body, "not ready\nnot yet scraped: http://h/m\n");
  reasons_.clear();
  EXPECT_EQ(Get((*server)->port(), "/readyz").http_status, 200);
}

TEST_F(AgentServerTest, DiagnosticsHaveTheirOwnAddressOrTheSame) {
  auto two = Start("127.0.0.1:0", "localhost:0");
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(Get((*two)->port(), "/diagnostics").http_status, 404);
  const auto answer = Get((*two)->diagnosis_port(), "/diagnostics");
  EXPECT_EQ(answer.body, "[]");
  EXPECT_EQ(answer.content_type, "application/json");

  auto one = Start("127.0.0.1:0", "127.0.0.1:0");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ((*one)->diagnosis_port(), 0);
  EXPECT_EQ(Get((*one)->port(), "/diagnostics").body, "[]");
}

TEST_F(AgentServerTest, ATakenAddressIsAnErrorThatNamesTheFlag) {
  auto first = Start("127.0.0.1:0", "localhost:0");
  ASSERT_TRUE(first.ok());
  const std::string taken = StrCat("127.0.0.1:", (*first)->port());
  EXPECT_THAT(
      Start(taken, "localhost:0").status(),
      StatusIs(Code::kAlreadyExists, HasSubstr("--prometheus-listen-addr")));
  EXPECT_THAT(
      Start("127.0.0.1:0", taken, /*required=*/true).status(),
      StatusIs(Code::kAlreadyExists, HasSubstr("--diagnosis-listen-addr")));
  const LogCapture log;
  EXPECT_TRUE(Start("127.0.0.1:0", taken, /*required=*/false).ok());
  ASSERT_EQ(log.Lines("/diagnostics is not served").size(), 1u);
  EXPECT_THAT(log.Lines("/diagnostics is not served")[0],
              AllOf(HasSubstr("level=info"), HasSubstr(taken),
                    HasSubstr("--diagnosis-listen-addr")));
}

}  // namespace
}  // namespace fodc::agent
