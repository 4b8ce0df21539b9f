// SPDX-License-Identifier: Apache-2.0
// The loop with profiles as long as it takes to see it stream.
#include "profile_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "fodc/base/status_matchers.h"
#include "profile_client_testing.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::string_view kHeapRequest =
    "GET /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLastChunk = "\r\n0\r\n\r\n";

class ProfileLoopTest : public ::testing::Test {
 protected:
  ~ProfileLoopTest() override { Stop(); }

  void Start(ProfileWriters::Write heap) {
    auto listener = ProfileListener::Open("127.0.0.1:0", false);
    ASSERT_THAT(listener, IsOk());
    ProfileWriters writers;
    writers.heap = std::move(heap);
    writers.threads = [](const pprof::Sink& sink) { return sink("threads"); };
    loop_ = std::make_unique<ProfileLoop>(
        *std::move(listener), UniqueFd(eventfd(0, EFD_CLOEXEC)), options_,
        ProfileCounters{&served_, &busy_, &refused_, &failed_},
        std::move(writers));
    address_ = loop_->address();
    thread_ = std::thread([this] { loop_->Run(); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    loop_->Stop();
    thread_.join();
    loop_.reset();
  }

  // More than any socket holds, until told to end.
  ProfileWriters::Write Endless() {
    return [this](const pprof::Sink& sink) -> Status {
      const std::string piece(kPiece, 'x');
      while (!is_enough_.load()) {
        FODC_RETURN_IF_ERROR(sink(piece));
        pieces_.fetch_add(1);
      }
      return OkStatus();
    };
  }

  // A client that does not read on, of a heap profile that is being streamed.
  UniqueFd BeginStream() {
    UniqueFd fd = Connect(address_, 4096);
    Send(fd.get(), kHeapRequest);
    char byte = 0;
    EXPECT_EQ(read(fd.get(), &byte, 1), 1);
    return fd;
  }

  std::string GetThreadsOnceFree() {
    std::string answer;
    do {
      answer = Get(address_, "/debug/pprof/threads");
    } while (answer.starts_with("HTTP/1.1 503 "));
    return answer;
  }

  ProfileServerOptions options_;
  Counter served_, busy_, refused_, failed_;
  std::unique_ptr<ProfileLoop> loop_;
  std::string address_;
  std::thread thread_;
  std::atomic<bool> is_enough_{false};
  std::atomic<std::uint64_t> pieces_{0};
};

TEST_F(ProfileLoopTest, ASecondRequestGets503WhileOneIsStreamed) {
  Start(Endless());
  const UniqueFd slow = BeginStream();
  for (const char* path : {"/debug/pprof/heap", "/debug/pprof/threads"}) {
    EXPECT_THAT(Get(address_, path), StartsWith("HTTP/1.1 503 "));
  }
  EXPECT_THAT(Get(address_, "/debug/pprof/cmdline"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(busy_.value(), 2u);
  // The first goes on, and comes to its end.
  is_enough_ = true;
  EXPECT_THAT(ReadAll(slow.get()), EndsWith(kLastChunk));
  EXPECT_THAT(Get(address_, "/debug/pprof/threads"), EndsWith(kLastChunk));
}

TEST_F(ProfileLoopTest, AClientThatDoesNotReadIsLeft) {
  options_.response_timeout = 50ms;
  Start(Endless());
  const UniqueFd slow = BeginStream();
  // Answered once the other one has been given up.
  EXPECT_THAT(GetThreadsOnceFree(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(failed_.value(), 1u);
  EXPECT_THAT(ReadAll(slow.get()), Not(EndsWith(kLastChunk)));
}

TEST_F(ProfileLoopTest, AClientThatGoesAwayEndsItsProfile) {
  Start(Endless());
  BeginStream().reset();
  EXPECT_THAT(GetThreadsOnceFree(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(failed_.value(), 1u);
}

TEST_F(ProfileLoopTest, StreamsInsteadOfHolding) {
  Start(Endless());
  const UniqueFd slow = BeginStream();
  // While nobody reads, the writer stands still: two looks find the same.
  std::uint64_t before = 0;
  do {
    before = pieces_.load();
    (void)Get(address_, "/debug/pprof/cmdline");
    (void)Get(address_, "/debug/pprof/cmdline");
  } while (pieces_.load() != before);
  EXPECT_LT(before * kPiece, 64u << 20);
  is_enough_ = true;
  EXPECT_THAT(ReadAll(slow.get()), EndsWith(kLastChunk));
}

TEST_F(ProfileLoopTest, AnErrorBeforeTheFirstPieceIsTold) {
  Start([](const pprof::Sink&) { return Internal("no such luck"); });
  const std::string answer = Get(address_, "/debug/pprof/heap");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, HasSubstr("no such luck"));
  EXPECT_THAT(Get(address_, "/debug/pprof/threads"), HasSubstr("threads"));
}

TEST_F(ProfileLoopTest, AnErrorAfterwardsCutsTheAnswer) {
  std::string told;
  options_.events = [&told](const Event& e) { told = e.message; };
  Start([](const pprof::Sink& sink) {
    FODC_RETURN_IF_ERROR(sink(std::string(kPiece, 'x')));
    return Internal("broken off");
  });
  const std::string answer = Get(address_, "/debug/pprof/heap");
  EXPECT_THAT(answer, Not(EndsWith(kLastChunk)));
  Stop();
  EXPECT_EQ(told, "profile not served");
}

TEST_F(ProfileLoopTest, WhatAWriterThrowsEndsNoThread) {
  Start([](const pprof::Sink&) -> Status { throw std::bad_alloc(); });
  EXPECT_THAT(Get(address_, "/debug/pprof/heap"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Get(address_, "/debug/pprof/threads"), HasSubstr("threads"));
}

TEST_F(ProfileLoopTest, StopsInTheMidstOfAProfile) {
  Start(Endless());
  const UniqueFd slow = BeginStream();
  Stop();
  EXPECT_THAT(ReadAll(slow.get()), Not(EndsWith(kLastChunk)));
}

}  // namespace
}  // namespace fodc::guard
