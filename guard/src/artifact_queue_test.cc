// SPDX-License-Identifier: Apache-2.0
#include "artifact_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class ArtifactQueueTest : public ::testing::Test {
 protected:
  // Holds the worker until Release.
  void Block() {
    ASSERT_TRUE(queue_->Submit({.run =
                                    [this] {
                                      begun_.set_value();
                                      released_.get_future().wait();
                                    },
                                .drop = [] {}}));
    begun_.get_future().wait();
  }
  ArtifactQueue::Job Count() {
    return {.run = [this] { ++run_; }, .drop = [this] { ++dropped_; }};
  }

  std::promise<void> begun_;
  std::promise<void> released_;
  std::atomic<int> run_{0};
  std::atomic<int> dropped_{0};
  std::unique_ptr<ArtifactQueue> queue_ =
      std::move(ArtifactQueue::Create(2)).value();
};

TEST_F(ArtifactQueueTest, RunsAllBeforeItCloses) {
  EXPECT_TRUE(queue_->Submit(Count()));
  EXPECT_TRUE(queue_->Submit(Count()));
  EXPECT_TRUE(queue_->Close(60s));
  EXPECT_EQ(run_, 2);
  EXPECT_TRUE(queue_->Close(60s));
}

TEST_F(ArtifactQueueTest, AFullQueueRefusesAndDoesNotBlock) {
  Block();
  EXPECT_TRUE(queue_->Submit(Count()));
  EXPECT_TRUE(queue_->Submit(Count()));
  EXPECT_FALSE(queue_->Submit(Count()));
  released_.set_value();
  EXPECT_TRUE(queue_->Close(60s));
  EXPECT_EQ(run_, 2);
  EXPECT_EQ(dropped_, 0);
}

TEST_F(ArtifactQueueTest, AClosedQueueRefuses) {
  EXPECT_TRUE(queue_->Close(60s));
  EXPECT_FALSE(queue_->Submit(Count()));
}

TEST_F(ArtifactQueueTest, WhatHasNotBegunWhenTheTimeIsOverIsDropped) {
  Block();
  EXPECT_TRUE(queue_->Submit(Count()));
  std::thread closer([this] { EXPECT_FALSE(queue_->Close(0ms)); });
  while (dropped_ == 0) std::this_thread::yield();
  released_.set_value();
  closer.join();
  EXPECT_EQ(run_, 0);
  EXPECT_EQ(dropped_, 1);
  EXPECT_FALSE(queue_->Close(60s));
}

TEST_F(ArtifactQueueTest, SubmitsRaceWithClose) {
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, &taken] {
      for (int i = 0; i < 100; ++i) {
        if (queue_->Submit(Count())) ++taken;
      }
    });
  }
  (void)queue_->Close(60s);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(run_, taken);
}

}  // namespace
}  // namespace fodc::guard
