// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/kvnode/store_testing.h"

namespace kvnode {
namespace {

using fodc::IsOk;
using testing::ElementsAre;
using testing::Pair;

TEST_F(StoreTest, ReadsWhatWasPutAndNotWhatWasDeleted) {
  const std::string binary("\0\xff\n", 3);
  EXPECT_THAT(Put(1, binary, "one"), IsOk());
  EXPECT_THAT(Put(2, "b", binary), IsOk());
  EXPECT_EQ(Get(binary), "one");
  EXPECT_EQ(Get("b"), binary);
  EXPECT_THAT(Apply(3, OperationKind::kDelete, "b"), IsOk());
  EXPECT_EQ(Get("b"), "(none)");
  EXPECT_EQ(store_->applied(), 3u);
}

TEST_F(StoreTest, KnowsAfterAKillUpToWhereItsFilesGo) {
  EXPECT_THAT(Put(1, "a", "1"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  EXPECT_THAT(Put(2, "a", "2"), IsOk());
  Reopen();
  EXPECT_EQ(store_->applied(), 1u);
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(StoreTest, ScansPageByPageWithoutWhatIsNoValue) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    EXPECT_THAT(Put(i, std::string(1, static_cast<char>('a' + i)), "v"),
                IsOk());
  }
  EXPECT_THAT(Append(6, "stream", "entry"), IsOk());
  const auto first = store_->Scan("c", "", {.max_entries = 2});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(first->pairs, ElementsAre(Pair("c", "v"), Pair("d", "v")));
  ASSERT_TRUE(first->next.has_value());
  const auto rest = store_->Scan(*first->next, "", {});
  ASSERT_THAT(rest, IsOk());
  EXPECT_THAT(rest->pairs, ElementsAre(Pair("e", "v"), Pair("f", "v")));
  EXPECT_FALSE(rest->next.has_value());
  const auto part = store_->Scan("b", "d", {});
  ASSERT_THAT(part, IsOk());
  EXPECT_THAT(part->pairs, ElementsAre(Pair("b", "v"), Pair("c", "v")));
}

TEST_F(StoreTest, AnAnswerIsBoundedByBytesButHasAtLeastOnePair) {
  EXPECT_THAT(Put(1, "a", std::string(100, 'x')), IsOk());
  EXPECT_THAT(Put(2, "b", std::string(100, 'x')), IsOk());
  const auto page = store_->Scan("", "", {.max_bytes = 10});
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->pairs.size(), 1u);
  EXPECT_EQ(page->next, "b");
}

TEST_F(StoreTest, ACheckpointOpensAsAStore) {
  EXPECT_THAT(Put(1, "a", "1"), IsOk());
  const std::string copy = dir_.File("copy");
  ASSERT_THAT(store_->Checkpoint(copy), IsOk());
  EXPECT_THAT(Put(2, "a", "2"), IsOk());
  auto opened = Store::Open({.directory = copy});
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->applied(), 1u);
  const auto value = (*opened)->Get("a");
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ(*value, "1");
}

TEST_F(StoreTest, CountsWhatItsCacheDoes) {
  EXPECT_THAT(Put(1, "a", "1"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("a"), "1");
  EXPECT_GT(store_->Ticker(rocksdb::BLOCK_CACHE_HIT), 0u);
  store_->SetBlockCacheBytes(123456);
  EXPECT_EQ(store_->Property("rocksdb.block-cache-capacity"), 123456u);
  EXPECT_EQ(store_->Property("rocksdb.no-such-property"), 0u);
}

}  // namespace
}  // namespace kvnode
