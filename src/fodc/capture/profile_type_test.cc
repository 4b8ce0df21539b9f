// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fodc/base/status_matchers.h"
#include "fodc/evidence/event_id.h"

namespace fodc::capture {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Names(const std::vector<const ProfileType*>& types) {
  std::vector<std::string> names;
  names.reserve(types.size());
  for (const ProfileType* t : types) names.emplace_back(t->name);
  return names;
}

TEST(ProfileTypeTest, HeapAndGoroutineAreAsGoHasThem) {
  const ProfileType* heap = FindProfileType("heap");
  ASSERT_NE(heap, nullptr);
  EXPECT_EQ(heap->file, "heap.pprof");
  EXPECT_EQ(heap->path, "/debug/pprof/heap");
  const ProfileType* goroutine = FindProfileType("goroutine");
  ASSERT_NE(goroutine, nullptr);
  EXPECT_EQ(goroutine->file, "goroutine.pprof");
  EXPECT_EQ(goroutine->path, "/debug/pprof/goroutine?debug=0");
  EXPECT_EQ(FindProfileType("Heap"), nullptr);
  EXPECT_EQ(FindProfileType(""), nullptr);
}

TEST(ProfileTypeTest, EachHasANameAFileAndAPathOfItsOwn) {
  std::set<std::string_view> names;
  std::set<std::string_view> files;
  std::set<std::string_view> paths;
  ProfileCost last = ProfileCost::kLight;
  for (const ProfileType& t : ProfileTypes()) {
    EXPECT_TRUE(names.insert(t.name).second) << t.name;
    EXPECT_TRUE(files.insert(t.file).second) << t.file;
    EXPECT_EQ(t.path.empty(), t.is_shared);
    EXPECT_TRUE(t.is_shared || paths.insert(t.path).second) << t.path;
    EXPECT_THAT(evidence::CheckArtifactName(t.file), IsOk());
    EXPECT_GE(t.cost, last) << t.name;
    last = t.cost;
    EXPECT_EQ(t.cost == ProfileCost::kLong, t.path.ends_with("seconds="));
  }
  EXPECT_EQ(names.size(), 10u);
}

TEST(ProfileTypeTest, TheOperatorAddsToTheDefaults) {
  EXPECT_THAT(Names(*ChooseProfileTypes({})), ElementsAre("heap", "goroutine"));
  const std::vector<std::string> names = {"cpu", "heap", "threads", "cpu"};
  EXPECT_THAT(Names(*ChooseProfileTypes(names)),
              ElementsAre("heap", "goroutine", "threads", "cpu"));
}

TEST(ProfileTypeTest, NamesWhatThereIsNot) {
  const std::vector<std::string> names = {"heap", "flame"};
  EXPECT_THAT(
      ChooseProfileTypes(names),
      StatusIs(Code::kInvalidArgument,
               AllOf(HasSubstr("\"flame\""), HasSubstr("heap, goroutine"),
                     Not(HasSubstr("heap-table")))));
  // It is captured without being asked for.
  const std::vector<std::string> shared = {"heap-table"};
  EXPECT_THAT(ChooseProfileTypes(shared), StatusIs(Code::kInvalidArgument, _));
}

}  // namespace
}  // namespace fodc::capture
