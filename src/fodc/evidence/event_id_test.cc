// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "fodc/base/status_matchers.h"

namespace fodc::evidence {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(EventIdTest, IsTheTimeAndBack) {
  const UnixTime t = ParseRfc3339("2026-06-27T10:11:12.000000007Z").value();
  EXPECT_EQ(MakeEventId(t), "20260627T101112.000000007Z");
  EXPECT_THAT(ParseEventId("20260627T101112.000000007Z"), IsOkAndHolds(t));
  EXPECT_LT(MakeEventId(t), MakeEventId(t + 1ns));
}

TEST(EventIdTest, IsNothingElse) {
  const std::string good = "20260627T101112.000000000Z";
  for (const std::string& id : {std::string(),
                                std::string("."),
                                std::string(".."),
                                good + "/",
                                good + "/..",
                                "../" + good,
                                "%2e%2e%2f" + good,
                                good.substr(1),
                                good.substr(0, 25),
                                good + good,
                                std::string("20261327T101112.000000000Z"),
                                std::string("20260627t101112.000000000Z"),
                                std::string("20260627T101112.000000000z"),
                                std::string("20260627T101112,000000000Z"),
                                std::string("20260627T101112.00000000Z"),
                                std::string("20260627T101160.000000000Z"),
                                std::string("2026-06-27T10:11:12.000000000Z"),
                                std::string("00010627T101112.000000000Z"),
                                std::string("20260627T101112.00000000\0Z", 26),
                                good + '\0',
                                std::string("+0260627T101112.000000000Z"),
                                std::string(1 << 20, 'x')}) {
    EXPECT_THAT(ParseEventId(id),
                StatusIs(Code::kInvalidArgument, HasSubstr("no event's id")))
        << id.substr(0, 40);
  }
}

TEST(EventIdTest, SaysAHostileIdCutAndEscaped) {
  const Status status =
      ParseEventId(std::string("a\n\0", 3) + std::string(1000, 'b')).status();
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("\"a\\n\\u0000bbb"), HasSubstr("(cut)"),
                    Not(HasSubstr("\n"))));
  EXPECT_LT(status.message().size(), 150u);
}

TEST(CheckArtifactNameTest, TakesNamesOfFiles) {
  for (const char* name : {"heap.pprof", "window-2.fdr", "proc_status.txt", "a",
                           "a..b", "log.1"}) {
    EXPECT_THAT(CheckArtifactName(name), IsOk()) << name;
  }
  EXPECT_THAT(CheckArtifactName(std::string(64, 'x')), IsOk());
}

TEST(CheckArtifactNameTest, RefusesWhatLeadsElsewhere) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."),
        std::string("../heap.pprof"), std::string("/etc/passwd"),
        std::string("a/b"), std::string("a\\b"), std::string("%2e%2e%2fx"),
        std::string("heap.pprof\0", 11), std::string("a\nb"),
        std::string("a b"), std::string("\xc3\xa4"), std::string(".hidden"),
        std::string(65, 'x'), std::string(1 << 20, 'x')}) {
    EXPECT_THAT(CheckArtifactName(name),
                StatusIs(Code::kInvalidArgument, HasSubstr("no artifact")))
        << name.substr(0, 40);
  }
}

TEST(CheckArtifactNameTest, KeepsTheStoresOwnFilesApart) {
  for (const char* name : {"meta.json", "meta.json.tmp", "MANIFEST.sha256"}) {
    EXPECT_THAT(CheckArtifactName(name),
                StatusIs(Code::kInvalidArgument, HasSubstr("own file")))
        << name;
  }
}

}  // namespace
}  // namespace fodc::evidence
