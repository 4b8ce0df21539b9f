// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::guardian {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LevelTest, IsAShareBytesOrOff) {
  EXPECT_EQ(Level::Parse("90%")->At(1000), 900U);
  EXPECT_EQ(Level::Parse(" 12.5 % ")->At(1000), 125U);
  EXPECT_EQ(Level::Parse("480MiB")->At(1), 480U << 20);
  EXPECT_EQ(Level::Parse("1048576")->At(1), 1048576U);
  for (const char* off : {"off", "OFF", ""}) {
    EXPECT_TRUE(Level::Parse(off)->is_off());
    EXPECT_EQ(Level::Parse(off)->At(1000), 0U);
  }
  for (const char* text : {"90%", "12.5%", "1048576", "off"})
    EXPECT_EQ(Level::Parse(text)->ToString(), text);
}

TEST(LevelTest, NonsenseIsRefusedWithTheText) {
  for (const char* bad :
       {"90", "0%", "0.5%", "101%", "-5%", "%", "ten%", "nan%", "0", "1023KiB",
        "-1", "90%%", "1e3%", "some"}) {
    const auto level = Level::Parse(bad);
    ASSERT_FALSE(level.ok()) << bad;
    EXPECT_EQ(level.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(level.status().message(), HasSubstr(bad));
  }
}

Status CheckOf(const char* capture, const char* term, const char* kill) {
  return Levels{.capture = *Level::Parse(capture),
                .term = *Level::Parse(term),
                .kill = *Level::Parse(kill)}
      .Check();
}

TEST(LevelsTest, MustRiseStrictlyAndTheErrorNamesBothFlags) {
  EXPECT_TRUE(Levels().Check().ok());
  EXPECT_TRUE(CheckOf("75%", "90%", "95%").ok());
  EXPECT_TRUE(CheckOf("off", "90%", "off").ok());
  EXPECT_TRUE(CheckOf("75%", "off", "off").ok());
  EXPECT_TRUE(CheckOf("400MiB", "90%", "600MiB").ok());  // told by the limit
  for (const auto& [capture, term] :
       {std::pair{"90%", "90%"}, {"91%", "90%"}, {"2GiB", "1GiB"}}) {
    EXPECT_THAT(CheckOf(capture, term, "off").message(),
                AllOf(HasSubstr("--guardian-capture is"),
                      HasSubstr("--guardian-term is")));
  }
  EXPECT_THAT(CheckOf("75%", "90%", "90%").message(),
              AllOf(HasSubstr("--guardian-term is 90%"),
                    HasSubstr("--guardian-kill is 90%")));
  // Over one that is off.
  EXPECT_THAT(CheckOf("75%", "off", "95%").message(),
              AllOf(HasSubstr("--guardian-kill is 95%"),
                    HasSubstr("--guardian-term is off")));
}

TEST(LevelsTest, SharesAndBytesMeetAtTheLimit) {
  const Levels levels{.capture = *Level::Parse("400MiB"),
                      .term = *Level::Parse("90%"),
                      .kill = {}};
  const auto lines = levels.At(512u << 20);
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(lines->capture, 400U << 20);
  EXPECT_EQ(lines->term, (std::uint64_t{512} << 20) * 9 / 10);
  EXPECT_EQ(lines->kill, 0U);
  EXPECT_THAT(
      levels.At(256u << 20).status().message(),
      AllOf(HasSubstr("--guardian-capture is 419430400"),
            HasSubstr("--guardian-term is 90%"), HasSubstr("268435456")));
}

TEST(LevelsTest, WhatDoesNotFitIntoTheOrderOfDefencesIsSaid) {
  EXPECT_THAT(Levels().Misfit(), IsEmpty());
  const auto misfit = [](const char* capture, const char* term) {
    return Levels{.capture = *Level::Parse(capture),
                  .term = *Level::Parse(term),
                  .kill = {}}
        .Misfit();
  };
  EXPECT_THAT(misfit("60%", "90%"), HasSubstr("--guardian-capture=60%"));
  EXPECT_THAT(misfit("85%", "90%"), HasSubstr("--guardian-capture=85%"));
  EXPECT_THAT(misfit("75%", "80%"), HasSubstr("--guardian-term=80%"));
  EXPECT_THAT(misfit("75%", "100%"), HasSubstr("the kernel kills first"));
  EXPECT_THAT(misfit("off", "90%"), IsEmpty());
  EXPECT_THAT(misfit("100MiB", "200MiB"), IsEmpty());
}

}  // namespace
}  // namespace fodc::guardian
