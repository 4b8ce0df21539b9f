// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/profile_testing.h"

namespace fodc::pprof {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "name flat cum" of each row.
std::vector<std::string> Rows(const Result<TopReport>& report) {
  EXPECT_THAT(report, IsOk());
  std::vector<std::string> out;
  if (!report.ok()) return out;
  for (const TopRow& row : report->rows) {
    out.push_back(StrCat(row.name, " ", row.flat, " ", row.cum));
  }
  return out;
}

TopOptions All() {
  TopOptions options;
  options.min_share = 0;
  return options;
}

TEST(TopTest, CountsARecursionOnceInCum) {
  const Profile p = MakeProfile(
      {{{"f", "g", "f", "main"}, 10}, {{"g", "f", "main"}, 5}, {{"main"}, 1}});
  const auto top = Top(p, All());
  EXPECT_THAT(Rows(top), ElementsAre("f 10 15", "g 5 15", "main 1 16"));
  EXPECT_EQ(top->total, 16);
  EXPECT_EQ(top->functions, 3u);
  EXPECT_EQ(top->sample_type, "space");
  EXPECT_EQ(top->unit, "bytes");
}

TEST(TopTest, CountsWhatIsInlinedAsFrames) {
  // "a<b" is one location: a inlined into b.
  const Profile p =
      MakeProfile({{{"a<b", "main"}, 10}, {{"b", "main"}, 1}, {{"a"}, 2}});
  const auto top = Top(p, All());
  EXPECT_THAT(Rows(top), ElementsAre("a 12 12", "b 1 11", "main 0 11"));
  EXPECT_EQ(top->rows[0].inlined, TopRow::Inlined::kSomewhere);
  EXPECT_EQ(top->rows[1].inlined, TopRow::Inlined::kNo);
  const auto only = Top(MakeProfile({{{"a<b"}, 10}}), All());
  EXPECT_EQ(only->rows[0].inlined, TopRow::Inlined::kEverywhere);
}

TEST(TopTest, OrdersByFlatThenNameOrByCum) {
  const Profile p = MakeProfile(
      {{{"b", "main"}, 3}, {{"a", "main"}, 3}, {{"c", "d", "main"}, 4}});
  EXPECT_THAT(Rows(Top(p, All())),
              ElementsAre("c 4 4", "a 3 3", "b 3 3", "d 0 4", "main 0 10"));
  TopOptions options = All();
  options.by_cum = true;
  options.max_rows = 3;
  const auto top = Top(p, options);
  EXPECT_THAT(Rows(top), ElementsAre("main 0 10", "c 4 4", "d 0 4"));
  EXPECT_EQ(top->functions, 5u);
}

TEST(TopTest, LeavesOutWhatIsSmall) {
  const Profile p = MakeProfile({{{"large"}, 996}, {{"small"}, 4}});
  const auto top = Top(p, {});
  EXPECT_THAT(Rows(top), ElementsAre("large 996 996"));
  EXPECT_EQ(top->total, 1000);
  EXPECT_EQ(top->dropped, 1u);
  EXPECT_EQ(top->dropped_below, 5);
}

TEST(TopTest, GivesWhatHasNoNameToItsFile) {
  const Profile p = MakeProfile({{{"@/bin/node"}, 3}, {{"@"}, 2}});
  EXPECT_THAT(Rows(Top(p, All())), ElementsAre("[node] 3 3", "<unknown> 2 2"));
}

TEST(TopTest, CountsSamplesWithoutAStackInTheTotalOnly) {
  const Profile p = MakeProfile({{{}, 3}, {{"f"}, 2}});
  const auto top = Top(p, All());
  EXPECT_EQ(top->total, 5);
  EXPECT_THAT(Rows(top), ElementsAre("f 2 2"));
}

TEST(TopTest, WrapsAroundInsteadOfOverflowing) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const Profile p = MakeProfile({{{"f"}, kMin}, {{"f"}, -1}, {{"g"}, kMax}});
  EXPECT_THAT(Top(p, {}), IsOk());
  EXPECT_THAT(Diff(p, MakeProfile({{{"f"}, kMax}}), {}), IsOk());
}

TEST(TopTest, NamesTheSampleTypesThatThereAre) {
  const Profile p = MakeProfile({{{"f"}, 3}});
  TopOptions options;
  options.sample_type = "inuse_space";  // as it is called elsewhere
  EXPECT_THAT(Rows(Top(p, options)), ElementsAre("f 3 3"));
  options.sample_type = "0";
  EXPECT_THAT(Rows(Top(p, options)), ElementsAre("f 3 3"));
  options.sample_type = "cpu";
  EXPECT_THAT(Top(p, options).status(),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("no sample type 'cpu'; there are: space")));
  options.sample_type = "1";
  EXPECT_EQ(Top(p, options).status().code(), Code::kInvalidArgument);
}

TEST(TopTest, DropsTheFramesThatTheProfileNames) {
  ProfileText text;
  text.samples = {{{"malloc", "new", "f", "main"}, 3},
                  {{"malloc"}, 2},
                  {{"malloc<g", "main"}, 1}};
  text.drop_frames = "malloc|new";
  EXPECT_THAT(Rows(Top(MakeProfile(text), All())),
              ElementsAre("f 3 3", "malloc 2 2", "g 1 1", "main 0 4"));
  text.keep_frames = "new";
  EXPECT_THAT(
      Rows(Top(MakeProfile(text), All())),
      ElementsAre("new 3 3", "malloc 2 2", "g 1 1", "f 0 3", "main 0 4"));
  text.drop_frames = "(";
  const auto top = Top(MakeProfile(text), All());
  EXPECT_THAT(Rows(top), ElementsAre("malloc 6 6", "f 0 3", "g 0 1", "main 0 4",
                                     "new 0 3"));
  EXPECT_THAT(top->notes, ElementsAre(HasSubstr("no regular expression")));
}

TEST(TopTest, ComparesDroppedNamesWithoutArguments) {
  ProfileText text;
  text.samples = {{{"operator new(unsigned long)",
                    "(anonymous namespace)::F::operator()(int)", "main"},
                   3}};
  text.drop_frames = "operator new|.anonymous namespace.::F::operator..";
  EXPECT_THAT(Rows(Top(MakeProfile(text), All())), ElementsAre("main 3 3"));
}

TEST(DiffTest, SubtractsTheBase) {
  const Profile base = MakeProfile(
      {{{"f", "main"}, 100}, {{"gone", "main"}, 60}, {{"same"}, 40}});
  const Profile now =
      MakeProfile({{{"same"}, 40}, {{"new", "main"}, 7}, {{"f", "main"}, 130}});
  const auto diff = Diff(base, now, All());
  EXPECT_THAT(Rows(diff),
              ElementsAre("gone -60 -60", "f 30 30", "new 7 7", "main 0 -23"));
  EXPECT_EQ(diff->total, 200);  // of the base
  const auto from_nothing = Diff(MakeProfile(ProfileText{}), now, All());
  EXPECT_EQ(from_nothing->total, 177);
  EXPECT_THAT(Rows(Diff(now, now, All())), IsEmpty());
}

TEST(DiffTest, RefusesWhatCannotBeCompared) {
  ProfileText text;
  text.samples = {{{"f"}, 1}};
  const Profile now = MakeProfile(text);
  text.unit = "kilobytes";
  EXPECT_THAT(
      Diff(MakeProfile(text), now, {}).status(),
      StatusIs(Code::kInvalidArgument,
               HasSubstr("space is in bytes, in the base in kilobytes")));
  text.type = "cpu";
  EXPECT_THAT(Diff(MakeProfile(text), now, {}).status(),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("the base has no space; it has: cpu")));
}

}  // namespace
}  // namespace fodc::pprof
