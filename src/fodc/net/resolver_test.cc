// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/resolver.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <netdb.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "fodc/base/status_matchers.h"
#include "fodc/net/listen.h"

namespace {

// Of the lookups of "dead.test": how many wait, and whether they may end.
std::atomic<int> waiting{0};
std::atomic<bool> released{false};

}  // namespace

// In place of the C library's: knows no name but numbers, and has a name server
// that does not answer for as long as the test wants.
extern "C" int getaddrinfo(const char* node, const char* service,
                           const addrinfo* hints, addrinfo** out) {
  if (std::string_view(node) == "127.0.0.1") {
    static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(
        ::dlsym(RTLD_NEXT, "getaddrinfo"));
    return real(node, service, hints, out);
  }
  if (std::string_view(node) != "dead.test") return EAI_NONAME;
  ++waiting;
  while (!released) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  --waiting;
  return EAI_AGAIN;
}

namespace fodc::net {
namespace {

using Found = Result<std::vector<std::string>>;

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() { released = false; }
  ~ResolverTest() override {
    released = true;
    while (waiting > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  EventLoop loop_{SystemClock()};
};

TEST_F(ResolverTest, TellsWhyAndForWhichHost) {
  Resolver resolver(loop_);
  std::optional<Found> found;
  resolver.Resolve("nobody.test", [&](Found f) { found = std::move(f); });
  EXPECT_FALSE(found.has_value()) << "answered inside the call";
  ASSERT_TRUE(loop_.RunUntil([&] { return found.has_value(); }));
  EXPECT_THAT(*found, StatusIs(Code::kUnavailable,
                               ::testing::HasSubstr("nobody.test")));
}

TEST_F(ResolverTest, KnowsLocalhostWithoutALookup) {
  Resolver resolver(loop_);
  Found found = Unavailable("not yet");
  resolver.Resolve("LocalHost", [&](Found f) { found = std::move(f); });
  EXPECT_TRUE(loop_.RunUntil([&] { return found.ok(); }));
  EXPECT_THAT(*found, ::testing::ElementsAre("127.0.0.1"));
  EXPECT_THAT(ListenTcp("localhost:0"), IsOk());
}

TEST_F(ResolverTest, ADeadNameServerHoldsUpNobodyElse) {
  Resolver resolver(loop_);
  for (int i = 0; i < 8; ++i) {
    resolver.Resolve("dead.test", [](const Found&) { FAIL(); });
  }
  ASSERT_TRUE(loop_.RunUntil([] { return waiting == 8; }));
  // Neither another name nor the workers.
  bool answered = false;
  resolver.Resolve("nobody.test", [&](const Found&) { answered = true; });
  bool worked = false;
  ASSERT_TRUE(loop_.Offload([] {}, [&] { worked = true; }));
  EXPECT_TRUE(loop_.RunUntil([&] { return answered && worked; }));
  EXPECT_EQ(waiting, 8);
}

TEST_F(ResolverTest, IsGoneBeforeItsLookups) {
  auto loop = std::make_unique<EventLoop>(SystemClock());
  auto resolver = std::make_unique<Resolver>(*loop);
  resolver->Resolve("dead.test", [](const Found&) { FAIL(); });
  ASSERT_TRUE(loop->RunUntil([] { return waiting == 1; }));
  resolver.reset();
  loop.reset();
  released = true;
  while (waiting > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace fodc::net
