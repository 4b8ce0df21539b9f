// SPDX-License-Identifier: Apache-2.0
// A server while the kernel refuses it descriptors and watches.
#include <gmock/gmock.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "fodc/base/status_matchers.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"

namespace {

// How many calls still fail.
int accepts_to_fail = 0;
int watches_to_fail = 0;

}  // namespace

// In place of the C library's.
extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  if (accepts_to_fail > 0) {
    --accepts_to_fail;
    errno = EMFILE;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

extern "C" int epoll_ctl(int epoll, int what, int fd,
                         epoll_event* event) noexcept {
  if (what == EPOLL_CTL_ADD && watches_to_fail > 0) {
    --watches_to_fail;
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, what, fd, event));
}

namespace fodc::net {
namespace {

TEST(HttpServerAcceptTest, TriesAgainUntilItMayWatchItsSocket) {
  FakeClock clock;
  EventLoop loop(clock);
  HttpServer server(loop);
  server.Route("/x", Access::kViewer,
               [](const HttpRequest&) { return TextResponse("x"); });
  ASSERT_THAT(server.Listen("127.0.0.1:0"), IsOk());
  accepts_to_fail = 1;
  RawClient c(loop, server.port());
  c.Get("/x");
  ASSERT_TRUE(loop.RunUntil([] { return accepts_to_fail == 0; }));
  EXPECT_EQ(server.stats().connections_refused, 1u);
  for (watches_to_fail = 3; watches_to_fail > 0;) {
    const int before = watches_to_fail;
    clock.Advance(std::chrono::seconds(1));
    ASSERT_TRUE(loop.RunUntil([&] { return watches_to_fail < before; },
                              std::chrono::seconds(10)))
        << "accepts nothing any more";
  }
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(c.Read().body, "x");
}

}  // namespace
}  // namespace fodc::net
