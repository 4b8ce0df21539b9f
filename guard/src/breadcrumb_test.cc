// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/breadcrumb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "breadcrumb_reader.h"

namespace fodc::guard {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

std::vector<std::string> StagesOf(const BreadcrumbStore& store) {
  std::vector<std::string> stages;
  for (const Breadcrumb& b : store.List()) stages.push_back(b.stage);
  return stages;
}

Breadcrumb At(const std::string& stage) { return {{}, stage, "c", {}}; }

TEST(BreadcrumbStoreTest, KeepsTheirOrderAndAllTheyHave) {
  BreadcrumbStore store;
  store.Add(
      {UnixTime(std::chrono::seconds(5)), "load", "measure", {{"part", "12"}}});
  store.Add(At("encode"));
  EXPECT_THAT(StagesOf(store), ElementsAre("load", "encode"));
  const Breadcrumb first = store.List()[0];
  EXPECT_EQ(first.time, UnixTime(std::chrono::seconds(5)));
  EXPECT_EQ(first.component, "measure");
  EXPECT_THAT(first.fields, ElementsAre(Pair("part", "12")));
}

TEST(BreadcrumbStoreTest, WhatIsListedIsACopy) {
  BreadcrumbStore store;
  BreadcrumbFields fields = {{"k", "v"}};
  store.Add({{}, "s", "c", fields});
  fields[0].second = "changed";
  store.List()[0].fields[0].second = "changed";
  EXPECT_THAT(store.List()[0].fields, ElementsAre(Pair("k", "v")));
}

TEST(BreadcrumbStoreTest, BeyondTheLimitTheFirstStay) {
  BreadcrumbStore store;
  for (int i = 0; i < 70; ++i) store.Add(At(std::to_string(i)));
  EXPECT_THAT(StagesOf(store), SizeIs(64));
  EXPECT_EQ(StagesOf(store).back(), "63");
}

TEST(BreadcrumbStoreTest, ForksInheritAndDoNotLeakIntoEachOther) {
  BreadcrumbStore store;
  store.Add(At("common"));
  const auto a = store.Fork();
  const auto b = store.Fork();
  EXPECT_NE(a, b);
  a->Add(At("a"));
  b->Add(At("b"));
  store.Add(At("own"));
  EXPECT_THAT(StagesOf(*a), ElementsAre("common", "a"));
  EXPECT_THAT(StagesOf(*b), ElementsAre("common", "b"));
  EXPECT_THAT(StagesOf(store), ElementsAre("common", "own"));
}

TEST(BreadcrumbStoreTest, ThreadsAddAtOnce) {
  BreadcrumbStore store;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store] {
      for (int i = 0; i < 32; ++i) {
        store.Add(At("x"));
        BreadcrumbReader::Places places;
        for (const Breadcrumb* b : BreadcrumbReader::Read(store, &places)) {
          EXPECT_EQ(b->stage, "x");
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_THAT(store.List(), SizeIs(64));
}

TEST(AddBreadcrumbTest, AThreadHasAChainOfItsOwnUntilItEnds) {
  std::thread([] {
    EXPECT_EQ(BreadcrumbReader::OfThisThread(), nullptr);
    AddBreadcrumb("first", "c", {{"k", "v"}});
    ASSERT_NE(BreadcrumbReader::OfThisThread(), nullptr);
    EXPECT_THAT(StagesOf(*BreadcrumbReader::OfThisThread()),
                ElementsAre("first"));
    std::thread([] {
      EXPECT_EQ(BreadcrumbReader::OfThisThread(), nullptr);
    }).join();
  }).join();
}

// A loop runs for ever; what it did last is what counts.
TEST(AddBreadcrumbTest, AThreadsOwnChainKeepsTheLast) {
  std::thread([] {
    for (int i = 0; i < 200; ++i) AddBreadcrumb(std::to_string(i));
    const auto stages = StagesOf(*BreadcrumbReader::OfThisThread());
    ASSERT_THAT(stages, SizeIs(64));
    EXPECT_EQ(stages.front(), "136");
    EXPECT_EQ(stages.back(), "199");
    // And a fork has room for what is done with it.
    const auto fork = ForkBreadcrumbs();
    fork->Add(At("task"));
    const auto forked = StagesOf(*fork);
    ASSERT_THAT(forked, SizeIs(33));
    EXPECT_EQ(forked.front(), "168");
    EXPECT_EQ(forked.back(), "task");
  }).join();
}

TEST(ScopedBreadcrumbsTest, TheChainBeforeIsBackAtTheEnd) {
  const auto outer = std::make_shared<BreadcrumbStore>();
  const auto inner = std::make_shared<BreadcrumbStore>();
  {
    const ScopedBreadcrumbs a(outer);
    AddBreadcrumb("outer");
    {
      const ScopedBreadcrumbs b(inner);
      AddBreadcrumb("inner");
      EXPECT_THAT(StagesOf(*ForkBreadcrumbs()), ElementsAre("inner"));
    }
    AddBreadcrumb("outer again");
  }
  EXPECT_EQ(BreadcrumbReader::OfThisThread(), nullptr);
  EXPECT_THAT(StagesOf(*outer), ElementsAre("outer", "outer again"));
  EXPECT_THAT(StagesOf(*inner), ElementsAre("inner"));
  EXPECT_THAT(StagesOf(*ForkBreadcrumbs()), IsEmpty());
}

}  // namespace
}  // namespace fodc::guard
