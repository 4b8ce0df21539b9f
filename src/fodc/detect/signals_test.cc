// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::detect {
namespace {

using exposition::Label;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "signal/product" of each source that takes the series.
std::vector<std::string> Takers(const SignalMap& map, std::string_view name,
                                std::vector<Label> labels = {}) {
  std::vector<std::string> out;
  for (const SignalSource& s : map.sources()) {
    if (!s.selector.Matches(name, labels)) continue;
    out.push_back(StrCat(AllSignals()[s.signal].name, "/", s.product));
  }
  return out;
}

std::string ErrorOf(std::vector<std::string> texts) {
  const auto map = SignalMap::Parse(texts);
  EXPECT_EQ(map.status().code(), Code::kInvalidArgument);
  return map.status().message();
}

TEST(SignalMapTest, KnowsThePagesOfBanyanDb) {
  const SignalMap map;
  EXPECT_THAT(Takers(map, "banyandb_measure_cache_misses_total"),
              ElementsAre("block_cache_misses/banyandb"));
  EXPECT_THAT(Takers(map, "banyandb_trace_tst_total_merge_latency"),
              ElementsAre("compaction_threads/banyandb"));
  EXPECT_THAT(Takers(map, "banyandb_measure_total_merge_latency"),
              ElementsAre("compaction_threads/banyandb"));
  // The index counts in nanoseconds.
  EXPECT_THAT(
      Takers(map, "banyandb_trace_storage_inverted_index_total_merge_latency"),
      IsEmpty());
}

TEST(SignalMapTest, KnowsThePagesOfRocksDbUnderAnyPrefix) {
  const SignalMap map;
  for (const char* name :
       {"rocksdb_block_cache_miss", "rocksdb_block_cache_misses",
        "kv_rocksdb_block_cache_miss_total"}) {
    EXPECT_THAT(Takers(map, name), ElementsAre("block_cache_misses/rocksdb"));
  }
  EXPECT_THAT(Takers(map, "x_rocksdb_block_cache_hit"),
              ElementsAre("block_cache_hits/rocksdb"));
  EXPECT_THAT(Takers(map, "rocksdb_compact_read_bytes"),
              ElementsAre("compaction_bytes/rocksdb"));
  EXPECT_THAT(Takers(map, "rocksdb_compacted_bytes_written"),
              ElementsAre("compaction_bytes/rocksdb"));
  EXPECT_THAT(Takers(map, "near_rocksdb_num_running_compactions"),
              ElementsAre("compaction_threads/rocksdb"));
  EXPECT_THAT(Takers(map, "rocksdb_flush_write_bytes"),
              ElementsAre("background_io_bytes/rocksdb"));
  // Parts of what is counted already.
  EXPECT_THAT(Takers(map, "rocksdb_block_cache_data_miss"), IsEmpty());
  EXPECT_THAT(Takers(map, "rocksdb_compact_read_bytes_marked"), IsEmpty());
}

TEST(SignalMapTest, KnowsThePagesOfEtcd) {
  const SignalMap map;
  EXPECT_THAT(
      Takers(map,
             "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_"
             "sum"),
      ElementsAre("compaction_threads/etcd"));
  EXPECT_THAT(Takers(map, "etcd_disk_defrag_inflight"),
              ElementsAre("compaction_threads/etcd"));
}

TEST(SignalMapTest, WhatIsGivenReplacesTheBuiltInMapOfItsName) {
  const auto map = SignalMap::Parse(std::vector<std::string>{
      "block_cache_misses=my_misses,other_misses{kind=\"a,b=c\"}"});
  ASSERT_THAT(map.status(), IsOk());
  EXPECT_THAT(Takers(*map, "my_misses"), ElementsAre("block_cache_misses/"));
  const std::vector<Label> labels = {{"kind", "a,b=c"}};
  EXPECT_THAT(Takers(*map, "other_misses", labels),
              ElementsAre("block_cache_misses/"));
  EXPECT_THAT(Takers(*map, "rocksdb_block_cache_miss"), IsEmpty());
  EXPECT_THAT(Takers(*map, "rocksdb_block_cache_hit"),
              ElementsAre("block_cache_hits/rocksdb"));
  EXPECT_TRUE(map->is_given(3));
  EXPECT_FALSE(map->is_given(2));
}

// As a flag that is a list cuts them.
TEST(SignalMapTest, TextsMayBeCutAtAnyComma) {
  const auto map = SignalMap::Parse(
      std::vector<std::string>{"compaction_bytes=a{x=\"1\"", "y=~'2|3'}", "b",
                               "compaction_threads={__na"
                               "me__=\"c\"}"});
  ASSERT_THAT(map.status(), IsOk());
  const std::vector<Label> labels = {{"x", "1"}, {"y", "3"}};
  EXPECT_THAT(Takers(*map, "a", labels), ElementsAre("compaction_bytes/"));
  EXPECT_THAT(Takers(*map, "b"), ElementsAre("compaction_bytes/"));
  EXPECT_THAT(Takers(*map, "c"), ElementsAre("compaction_threads/"));
}

TEST(SignalMapTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(ErrorOf({"compactions=a"}),
              HasSubstr("'compactions' in 'compactions=a' is not a signal; "
                        "there are compaction_bytes, compaction_threads"));
  EXPECT_THAT(ErrorOf({"a_series"}),
              HasSubstr("'a_series' is not NAME=SELECTOR"));
  EXPECT_THAT(ErrorOf({"compaction_bytes="}), HasSubstr("has no selector"));
  EXPECT_THAT(ErrorOf({"compaction_bytes=a,,b"}), HasSubstr("no selector"));
  EXPECT_THAT(ErrorOf({"compaction_bytes=a{"}),
              HasSubstr("compaction_bytes: selector `a{`"));
  EXPECT_THAT(ErrorOf({"compaction_bytes={x=\"\"}"}),
              HasSubstr("refuse the empty string"));
  EXPECT_THAT(ErrorOf({"compaction_bytes=a{x=~\"(\"}"}),
              HasSubstr("bad expression"));
  EXPECT_THAT(ErrorOf(std::vector<std::string>(65, "compaction_bytes=a")),
              HasSubstr("more than 64 selectors"));
  EXPECT_THAT(
      ErrorOf(std::vector<std::string>(33, "compaction_bytes={a=~\"x\"}")),
      HasSubstr("more than 32 regular expressions"));
}

TEST(SignalMapTest, NothingGivenIsTheBuiltInMap) {
  const auto map = SignalMap::Parse({});
  ASSERT_THAT(map.status(), IsOk());
  EXPECT_EQ(map->sources().size(), SignalMap().sources().size());
}

}  // namespace
}  // namespace fodc::detect
