// SPDX-License-Identifier: Apache-2.0
// Downloads of evidence whose agent or proxy is killed in their midst: they are
// resumed or cut, and never end short and well.
#include <functional>

#include "tests/evidence/serving_fixture.h"

namespace fodc::test {
namespace {

using ServingBreakTest = ServingTest;

// What a client got that asked before `break_it` and read on behind it.
std::string ReadThrough(std::uint16_t port, const std::string& path,
                        const std::function<void()>& break_it) {
  RawConnection client(port);
  EXPECT_TRUE(client.Send(StrCat(
      "GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
  std::string all = client.Receive(30s, "\r\n\r\n");
  break_it();
  all += client.Receive(60s);
  return all;
}

TEST_F(ServingBreakTest, AProxyRestartedInMidDownloadIsAskedForTheRest) {
  for (const bool is_killed : {true, false}) {
    Process get;
    ASSERT_NO_FATAL_FAILURE(
        StopInMidDownload({"--artifact", "heap.pprof"}, &get));
    if (is_killed) {
      proxy_.Kill();
    } else {
      proxy_.Stop();
    }
    get.Signal(SIGCONT);
    ASSERT_TRUE(proxy_.Start());
    EXPECT_EQ(get.WaitExitCode(120s), 0) << get.Log();
    EXPECT_NE(get.Log().find("asking again for the rest"), std::string::npos)
        << get.Log();
    EXPECT_NE(get.Log().find("as its receipt says"), std::string::npos);
    EXPECT_TRUE(GotWhole());
    EXPECT_TRUE(Unfinished().empty());
    ASSERT_TRUE(WaitUntil([&] { return IsListed(); }));
  }
}

TEST_F(ServingBreakTest, AnAgentRestartedInMidDownloadIsAskedForTheRest) {
  Process get;
  ASSERT_NO_FATAL_FAILURE(
      StopInMidDownload({"--artifact", "heap.pprof"}, &get));
  agent_.Kill();
  get.Signal(SIGCONT);
  ASSERT_TRUE(agent_.Start());
  EXPECT_EQ(get.WaitExitCode(120s), 0) << get.Log();
  EXPECT_NE(get.Log().find("asking again for the rest"), std::string::npos);
  EXPECT_TRUE(GotWhole());
}

// It cannot be had from its midst.
TEST_F(ServingBreakTest, ACapsuleBeginsAnew) {
  Process get;
  ASSERT_NO_FATAL_FAILURE(StopInMidDownload({}, &get));
  proxy_.Kill();
  get.Signal(SIGCONT);
  ASSERT_TRUE(proxy_.Start());
  EXPECT_EQ(get.WaitExitCode(120s), 0) << get.Log();
  EXPECT_NE(get.Log().find("asking again for the whole"), std::string::npos);
  EXPECT_NE(get.Log().find("1 files, as the manifest says"), std::string::npos)
      << get.Log();
  EXPECT_TRUE(Unfinished().empty());
}

TEST_F(ServingBreakTest, ASignalInMidDownloadLeavesNothing) {
  for (const int number : {SIGINT, SIGTERM}) {
    Process get;
    ASSERT_NO_FATAL_FAILURE(
        StopInMidDownload({"--artifact", "heap.pprof"}, &get));
    get.Signal(number);
    get.Signal(SIGCONT);
    EXPECT_EQ(get.WaitExitCode(30s), 128 + number);
    EXPECT_TRUE(Unfinished().empty());
  }
}

class NoShortBodyTest : public ServingTest {
 protected:
  // Whoever was killed is back, and serves.
  void Restore() {
    for (Server* server :
         {static_cast<Server*>(&proxy_), static_cast<Server*>(&agent_)}) {
      if (server->process().Running()) continue;
      ASSERT_TRUE(server->Start());
    }
    ASSERT_TRUE(WaitUntil([&] {
      return Get(proxy_.Url(HeapPath()), 30s, {"Range: bytes=0-1"}).status ==
             206;
    }));
  }
  void Check(const std::function<void()>& break_it) {
    const std::string got = ReadThrough(proxy_.port(), HeapPath(), break_it);
    const std::size_t body = got.find("\r\n\r\n") + 4;
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200")) << got.substr(0, 200);
    EXPECT_NE(got.find(StrCat("Content-Length: ", kHeapBytes, "\r\n")),
              std::string::npos)
        << got.substr(0, body);
    EXPECT_LT(got.size() - body, kHeapBytes);
    ASSERT_NO_FATAL_FAILURE(Restore());
    // Without a length it is the last chunk that would say so.
    const std::string chunks =
        ReadThrough(proxy_.port(), CapsulePath(), break_it);
    EXPECT_TRUE(chunks.starts_with("HTTP/1.1 200")) << chunks.substr(0, 200);
    EXPECT_LT(chunks.size(), kHeapBytes);
    EXPECT_FALSE(chunks.ends_with("\r\n0\r\n\r\n")) << "a clean end";
    ASSERT_NO_FATAL_FAILURE(Restore());
  }
};

TEST_F(NoShortBodyTest, WhenTheProxyIsKilled) {
  Check([this] { proxy_.Kill(); });
}

TEST_F(NoShortBodyTest, WhenTheProxyIsStopped) {
  Check([this] { proxy_.Stop(); });
}

TEST_F(NoShortBodyTest, WhenTheAgentIsKilled) {
  Check([this] { agent_.Kill(); });
}

}  // namespace
}  // namespace fodc::test
