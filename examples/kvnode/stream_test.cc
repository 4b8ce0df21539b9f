// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "examples/kvnode/store_testing.h"

namespace kvnode {
namespace {

using fodc::Code;
using fodc::IsOk;
using fodc::OkStatus;
using fodc::StatusIs;
using testing::HasSubstr;

// What must hold whatever the layout.
class StreamTest : public StoreTest,
                   public ::testing::WithParamInterface<StreamLayout> {
 protected:
  StreamTest() { Reopen(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Layouts, StreamTest,
                         ::testing::Values(StreamLayout::kEntries,
                                           StreamLayout::kBlob));

TEST_P(StreamTest, ReadsWhatWasAppendedInOrder) {
  EXPECT_THAT(Append(5, "s", "a"), IsOk());
  EXPECT_THAT(Append(7, "s", ""), IsOk());
  EXPECT_THAT(Append(300, "s", "c"), IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "5=a 7= 300=c");
  EXPECT_EQ(Text(ReadStream("s", 5)), "7= 300=c");
  EXPECT_EQ(Text(ReadStream("s", 300)), "");
  EXPECT_EQ(Text(ReadStream("s", std::numeric_limits<std::uint64_t>::max())),
            "");
  EXPECT_EQ(Text(ReadStream("none")), "");
}

TEST_P(StreamTest, StreamsWithALikeNameAreApart) {
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  EXPECT_THAT(Append(2, std::string("s\0\0", 3), "b"), IsOk());
  EXPECT_THAT(Append(3, "ss", "c"), IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "1=a");
  EXPECT_EQ(Text(ReadStream("ss")), "3=c");
}

TEST_P(StreamTest, AppendsOfOneBatchAreAllThere) {
  const OperationView operations[] = {
      {OperationKind::kAppend, "s", "a"}, {OperationKind::kPut, "k", "v"},
      {OperationKind::kAppend, "s", "b"}, {OperationKind::kAppend, "t", "c"},
      {OperationKind::kAppend, "s", "d"},
  };
  EXPECT_THAT(store_->Apply(10, operations), IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "10=a 12=b 14=d");
  EXPECT_EQ(Text(ReadStream("t")), "13=c");
  EXPECT_EQ(Get("k"), "v");
  EXPECT_EQ(store_->applied(), 14u);
}

TEST_P(StreamTest, APageIsBoundedAndSaysThatThereIsMore) {
  for (std::uint64_t i = 1; i <= 4; ++i) {
    EXPECT_THAT(Append(i, "s", "xx"), IsOk());
  }
  StreamPage page = ReadStream("s", 0, {.max_entries = 3});
  EXPECT_EQ(Text(page), "1=xx 2=xx 3=xx");
  EXPECT_TRUE(page.more);
  page = ReadStream("s", 1, {.max_entries = 3});
  EXPECT_EQ(Text(page), "2=xx 3=xx 4=xx");
  EXPECT_FALSE(page.more);
  page = ReadStream("s", 0, {.max_bytes = 5});
  EXPECT_EQ(Text(page), "1=xx 2=xx");
  EXPECT_TRUE(page.more);
  page = ReadStream("s", 0, {.max_bytes = 1});
  EXPECT_EQ(Text(page), "1=xx");
  EXPECT_TRUE(page.more);
}

class MigrationTest : public StoreTest {};

TEST_F(MigrationTest, ABlobIsReadBeforeItIsMigratedAndSaysSo) {
  Reopen(StreamLayout::kBlob);
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(Append(2, "s", "b"), IsOk());
  const StreamPage page = ReadStream("s");
  EXPECT_EQ(Text(page), "1=a 2=b");
  EXPECT_TRUE(page.met_blob);
}

TEST_F(MigrationTest, MakesEntriesOfBlobsOnceAndForAll) {
  Reopen(StreamLayout::kBlob);
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  EXPECT_THAT(Append(2, "t", "b"), IsOk());
  EXPECT_THAT(Append(3, "s", "c"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(Append(4, "s", "d"), IsOk());
  const auto moved = store_->Migrate(std::stop_token());
  ASSERT_THAT(moved, IsOk());
  EXPECT_EQ(*moved, 3u);
  const StreamPage page = ReadStream("s");
  EXPECT_EQ(Text(page), "1=a 3=c 4=d");
  EXPECT_FALSE(page.met_blob);
  EXPECT_FALSE(ReadStream("t").met_blob);
  const auto again = store_->Migrate(std::stop_token());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, 0u);
}

TEST_F(MigrationTest, AMigrationThatWasLostIsDoneAgain) {
  Reopen(StreamLayout::kBlob);
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(store_->Migrate(std::stop_token()), IsOk());
  Reopen();  // a kill: it was in memory only
  EXPECT_EQ(Text(ReadStream("s")), "1=a");
  EXPECT_TRUE(ReadStream("s").met_blob);
  EXPECT_THAT(store_->Migrate(std::stop_token()), IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "1=a");
}

TEST_F(MigrationTest, StopsWhenAsked) {
  Reopen(StreamLayout::kBlob);
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  std::stop_source stop;
  stop.request_stop();
  const auto moved = store_->Migrate(stop.get_token());
  ASSERT_THAT(moved, IsOk());
  EXPECT_EQ(*moved, 0u);
  EXPECT_TRUE(ReadStream("s").met_blob);
}

TEST_F(MigrationTest, AStoreThatGoesBackToBlobsIsReadInOrder) {
  EXPECT_THAT(Append(1, "s", "a"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  Reopen(StreamLayout::kBlob);
  EXPECT_THAT(Append(2, "s", "b"), IsOk());
  EXPECT_THAT(store_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(Append(3, "s", "c"), IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "1=a 2=b 3=c");
  const StreamPage page = ReadStream("s", 0, {.max_entries = 2});
  EXPECT_EQ(Text(page), "1=a 2=b");
  EXPECT_TRUE(page.more);
}

TEST(BlobTest, NamesThePlaceWhereItIsCut) {
  std::string blob;
  AppendToBlob(1, "abc", &blob);
  const std::size_t first = blob.size();
  AppendToBlob(2, "", &blob);
  int entries = 0;
  const auto count = [&](std::uint64_t, std::string_view) {
    ++entries;
    return OkStatus();
  };
  EXPECT_THAT(ReadBlob(blob, count), IsOk());
  EXPECT_EQ(entries, 2);
  for (std::size_t n = 1; n < blob.size(); ++n) {
    if (n == first) continue;
    EXPECT_THAT(ReadBlob(std::string_view(blob).substr(0, n), count),
                StatusIs(Code::kDataLoss,
                         HasSubstr(n < first ? "at byte 0" : "at byte 15")))
        << n;
  }
}

}  // namespace
}  // namespace kvnode
