// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::collect {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Names = std::vector<std::string>;

std::vector<std::string> Urls(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> urls;
  urls.reserve(endpoints.size());
  for (const Endpoint& e : endpoints) urls.push_back(e.url);
  return urls;
}

TEST(MakeEndpointsTest, PortsBecomeUrlsOnLocalhostInTheirOrder) {
  const auto e = MakeEndpoints(Names{"2121", "17915"}, Names{}, Names{});
  ASSERT_TRUE(e.ok()) << e.status().message();
  EXPECT_EQ(Urls(*e), (Names{"http://localhost:2121/metrics",
                             "http://localhost:17915/metrics"}));
  EXPECT_TRUE((*e)[0].is_loopback);
  EXPECT_EQ((*e)[1].port, 17915);
}

TEST(MakeEndpointsTest, NamesArePairedWithPorts) {
  const auto e =
      MakeEndpoints(Names{"2121", "17915"}, Names{"data", "lifecycle"},
                    Names{"http://127.0.0.1:1/x"});
  ASSERT_TRUE(e.ok()) << e.status().message();
  EXPECT_EQ((*e)[0].container_name, "data");
  EXPECT_EQ((*e)[1].container_name, "lifecycle");
  EXPECT_EQ((*e)[2].container_name, "");
}

TEST(MakeEndpointsTest, NamesMayGoOnToUrls) {
  const auto e = MakeEndpoints(Names{"2121"}, Names{"data", "cache"},
                               Names{"http://127.0.0.1:1/x"});
  ASSERT_TRUE(e.ok()) << e.status().message();
  EXPECT_EQ((*e)[1].container_name, "cache");
  EXPECT_TRUE(MakeEndpoints(Names{}, Names{"a"}, Names{"http://h/"}).ok());
}

TEST(MakeEndpointsTest, EndpointsThatShareANameAreLabelled) {
  const auto labelled = [](Names ports, Names names, Names urls) {
    const auto endpoints = MakeEndpoints(ports, names, urls);
    std::vector<bool> is;
    for (const Endpoint& e : *endpoints) is.push_back(e.is_labelled);
    return is;
  };
  using Is = std::vector<bool>;
  EXPECT_EQ(labelled({"1"}, {}, {}), Is({false}));
  EXPECT_EQ(labelled({"1", "2"}, {}, {}), Is({true, true}));
  EXPECT_EQ(labelled({"1"}, {}, {"http://h/"}), Is({true, true}));
  EXPECT_EQ(labelled({"1", "2"}, {"a", "b"}, {}), Is({false, false}));
  EXPECT_EQ(labelled({"1", "2", "3"}, {"a", "b", "a"}, {"http://h/"}),
            Is({true, false, true, false}));
}

TEST(MakeEndpointsTest, RefusesWhatGoRefusesAndNamesTheFlag) {
  EXPECT_THAT(MakeEndpoints(Names{}, Names{}, Names{}),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("--poll-metrics-ports is empty")));
  EXPECT_THAT(MakeEndpoints(Names{"1", "2"}, Names{"a"}, Names{}),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("--container-names has 1 names"),
                             HasSubstr("2 ports"))));
}

TEST(MakeEndpointsTest, RefusesWhatIsNoPort) {
  for (const char* bad : {"", "0", "65536", "-1", "http", "21 21", "2121/x"}) {
    EXPECT_THAT(MakeEndpoints(Names{bad}, Names{}, Names{}),
                StatusIs(Code::kInvalidArgument,
                         AllOf(HasSubstr("--poll-metrics-ports"),
                               HasSubstr("1 to 65535"))))
        << bad;
  }
}

TEST(MakeEndpointsTest, RefusesAnEndpointNamedTwice) {
  EXPECT_THAT(MakeEndpoints(Names{"2121", "2121"}, Names{}, Names{}),
              StatusIs(Code::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(
      MakeEndpoints(Names{"2121"}, Names{},
                    Names{"http://localhost:2121/metrics"}),
      StatusIs(Code::kInvalidArgument, HasSubstr("--poll-metrics-urls")));
}

TEST(ParseEndpointTest, KeepsPathAndQueryAndAddsTheUsualPath) {
  EXPECT_EQ(ParseEndpoint("http://h:1/a/b?c=d", "")->url, "http://h:1/a/b?c=d");
  EXPECT_EQ(ParseEndpoint("http://h:1", "")->url, "http://h:1/metrics");
  EXPECT_EQ(ParseEndpoint("https://h/", "")->port, 443);
  EXPECT_EQ(ParseEndpoint("http://[::1]:7/m", "")->port, 7);
  EXPECT_TRUE(ParseEndpoint("http://[::1]:7/m", "")->is_loopback);
  EXPECT_FALSE(ParseEndpoint("http://10.0.0.1:7/m", "")->is_loopback);
}

TEST(ParseEndpointTest, PasswordsStayOutOfNamesAndErrors) {
  const auto e = ParseEndpoint("http://me:secret@h:1/m", "");
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->url, "http://me:secret@h:1/m");
  EXPECT_EQ(e->name, "http://h:1/m");
  for (const char* bad :
       {"http://me:secret@h:99999/m", "htps://me:secret@h/m", "me:secret@h/m",
        "http://me:se/secret@h/m", "http://me:secret@/m",
        "http://me:secret@h/a b", "http://me:secret@h/a@b#f"}) {
    EXPECT_THAT(
        ParseEndpoint(bad, ""),
        StatusIs(Code::kInvalidArgument,
                 AllOf(HasSubstr("endpoint"), Not(HasSubstr("secret")))))
        << bad;
  }
}

TEST(ParseEndpointTest, RefusesWhatIsNoUrlToScrape) {
  for (const char* bad :
       {"", "h:1/metrics", "ftp://h/", "http://", "http://:1/", "http://h:x/",
        "http://h/a b", "http://h/#f", "http://::1/m", "http://h\n/m"}) {
    EXPECT_THAT(ParseEndpoint(bad, ""),
                StatusIs(Code::kInvalidArgument, HasSubstr("endpoint")))
        << bad;
  }
}

}  // namespace
}  // namespace fodc::collect
