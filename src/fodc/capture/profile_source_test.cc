// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const ProfileType& Type(std::string_view name) {
  return *FindProfileType(name);
}

TEST(ProfileSourceTest, APortIsThatOfGo) {
  const ProfileSource source = ProfileSource::OfPort(6060);
  EXPECT_EQ(source.Name(), "http://localhost:6060");
  EXPECT_THAT(
      source.Urls(Type("goroutine"), 2s),
      ElementsAre("http://localhost:6060/debug/pprof/goroutine?debug=0"));
}

TEST(ProfileSourceTest, GoesOnToThePathsOfGperftools) {
  const ProfileSource source = *ProfileSource::Parse("http://db:8080/x/");
  EXPECT_THAT(source.Urls(Type("heap"), 2s),
              ElementsAre("http://db:8080/x/debug/pprof/heap",
                          "http://db:8080/x/pprof/heap"));
  EXPECT_THAT(source.Urls(Type("cpu"), 1500ms),
              ElementsAre("http://db:8080/x/debug/pprof/profile?seconds=2",
                          "http://db:8080/x/pprof/profile?seconds=2"));
}

TEST(ProfileSourceTest, ATemplateSaysAll) {
  const ProfileSource source =
      *ProfileSource::Parse("https://u:pw@db/prof?t={type}&s={seconds}");
  EXPECT_THAT(source.Urls(Type("heap-gc"), 3s),
              ElementsAre("https://u:pw@db/prof?t=heap-gc&s=3"));
  EXPECT_EQ(source.Name(), "https://db/prof?t={type}&s={seconds}");
}

TEST(ProfileSourceTest, ASocketServesThePaths) {
  const ProfileSource source = *ProfileSource::Parse("unix:/run/db/pprof.sock");
  EXPECT_EQ(source.unix_socket(), "/run/db/pprof.sock");
  EXPECT_EQ(source.Name(), "unix:/run/db/pprof.sock");
  EXPECT_THAT(source.Urls(Type("heap"), 1s),
              ElementsAre("http://localhost/debug/pprof/heap",
                          "http://localhost/pprof/heap"));
  EXPECT_EQ(ProfileSource::OfPort(1).unix_socket(), "");
  EXPECT_THAT(ProfileSource::Parse("unix:/" + std::string(107, 'x')),
              StatusIs(Code::kInvalidArgument, HasSubstr("107 bytes")));
}

TEST(ProfileSourceTest, NoneAsksForNothing) {
  const ProfileSource none;
  EXPECT_TRUE(none.is_none());
  EXPECT_EQ(none.Name(), "");
  EXPECT_THAT(none.Urls(Type("heap"), 1s), IsEmpty());
}

TEST(ProfileSourceTest, RefusesWhatIsNoSource) {
  for (const char* url :
       {"", "localhost:6060", "unix:", "unix:a", "unix:/a\n", "ftp://x/",
        "http://", "http:///pprof", "http://x/?a=b", "http://x/a b",
        "http://{type}/x", "http://x/{typ}", "http://x/\n"}) {
    EXPECT_THAT(ProfileSource::Parse(url),
                StatusIs(Code::kInvalidArgument, HasSubstr("source")))
        << url;
  }
  EXPECT_THAT(ProfileSource::Parse("http://u:secret@x/?a=b"),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("{type}"), Not(HasSubstr("secret")))));
}

}  // namespace
}  // namespace fodc::capture
