// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "fodc/base/clock.h"
#include "fodc/net/event_loop.h"
#include "fodc/proxy/proxy.h"

namespace fodc::proxy {
namespace {

TEST(OpenFilesTest, HttpLeavesRoomForAgents) {
  EXPECT_EQ(HttpConnectionsWithin(1'048'576, 1000, 1024), 1024u);
  EXPECT_EQ(HttpConnectionsWithin(2048, 1000, 1024), 984u);
  EXPECT_EQ(HttpConnectionsWithin(1024, 1000, 1024), 256u);
  EXPECT_EQ(HttpConnectionsWithin(1024, 1000, 9), 9u);
  EXPECT_EQ(HttpConnectionsWithin(1, 1000, 1024), 1u);
}

TEST(OpenFilesTest, AProxyTakesAsManyAsItMay) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_LT(low.rlim_cur, low.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  net::EventLoop loop(SystemClock());
  ProxyOptions options;
  options.grpc_listen_addr = options.http_listen_addr = "127.0.0.1:0";
  const auto proxy = Proxy::Start(loop, options);
  ASSERT_TRUE(proxy.ok());
  rlimit now{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(now.rlim_cur, now.rlim_max);
  (void)::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace fodc::proxy
