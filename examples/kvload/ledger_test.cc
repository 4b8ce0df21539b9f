// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace kvload {
namespace {

using fodc::Code;
using fodc::IsOk;
using fodc::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using Version = std::optional<std::uint64_t>;

TEST(ValueTest, IsKnownByItsKeyVersionAndEveryByte) {
  const std::string value = MakeValue("k", 7, 100);
  EXPECT_EQ(value.size(), 100u);
  EXPECT_EQ(VersionOf("k", value), Version(7));
  EXPECT_EQ(VersionOf("j", value), std::nullopt);
  EXPECT_EQ(VersionOf("k", value.substr(0, 99) + "?"), std::nullopt);
  std::string flipped = value;
  flipped[50] ^= 1;
  EXPECT_EQ(VersionOf("k", flipped), std::nullopt);
  EXPECT_EQ(VersionOf("k", ""), std::nullopt);
  // Shorter than its own head it cannot be.
  EXPECT_EQ(VersionOf("key", MakeValue("key", 12345, 1)), Version(12345));
}

TEST(LedgerTest, AnAcknowledgementSettlesWhatWasUnknown) {
  const auto e = ParseLedger(
      "put a 1\nput-ok a 1\n"
      "put b 2\n"
      "put b 3\nput-ok b 3\n"
      "del a\n"
      "put c 4\n");
  ASSERT_THAT(e, IsOk());
  EXPECT_THAT(e->keys.at("a"), ElementsAre(Version(1), std::nullopt));
  EXPECT_THAT(e->keys.at("b"), ElementsAre(Version(3)));
  EXPECT_THAT(e->keys.at("c"), ElementsAre(std::nullopt, Version(4)));
  EXPECT_EQ(e->acknowledged, 2u);
  EXPECT_EQ(e->newest.at("b"), 3u);
}

TEST(LedgerTest, ADeleteThatIsAcknowledgedLeavesNothing) {
  const auto e = ParseLedger("put a 1\nput-ok a 1\ndel a\ndel-ok a\n");
  ASSERT_THAT(e, IsOk());
  EXPECT_THAT(e->keys.at("a"), ElementsAre(std::nullopt));
}

TEST(LedgerTest, KnowsTheEntriesOfAStreamByTheirSequence) {
  const auto e =
      ParseLedger("add s 1\nadd-ok s 1 10\nadd s 2\nadd s 3\nadd-ok s 3 12\n");
  ASSERT_THAT(e, IsOk());
  EXPECT_THAT(e->streams.at("s").acknowledged,
              ElementsAre(Pair(10, 1), Pair(12, 3)));
  EXPECT_THAT(e->streams.at("s").unsettled, ElementsAre(2));
}

TEST(LedgerTest, LeavesOutACutLineAndNamesABadOne) {
  const auto cut = ParseLedger("put a 1\nput-ok a");
  ASSERT_THAT(cut, IsOk());
  EXPECT_EQ(cut->acknowledged, 0u);
  for (const char* bad : {"put a 1\nnonsense\n", "put a 1\nput-ok a x\n",
                          "put a 1\nadd-ok s 1\n", "put a 1\nwhat a 1\n"}) {
    EXPECT_THAT(ParseLedger(bad),
                StatusIs(Code::kDataLoss, HasSubstr("line 2")))
        << bad;
  }
}

TEST(LedgerTest, GoesOnBehindWhatItsFileHolds) {
  const fodc::TempDirectory dir;
  for (const char* line : {"put a 1", "put-ok a 1"}) {
    auto ledger = Ledger::Open(dir.File("ledger"));
    ASSERT_THAT(ledger, IsOk());
    (*ledger)->Write(line);
    EXPECT_THAT((*ledger)->Close(), IsOk());
  }
  const auto e = ReadLedger(dir.File("ledger"));
  ASSERT_THAT(e, IsOk());
  EXPECT_EQ(e->acknowledged, 1u);
  EXPECT_FALSE(ReadLedger(dir.File("none")).ok());
  EXPECT_FALSE(Ledger::Open(dir.File("none/none")).ok());
}

TEST(LedgerTest, ALineThatCannotBeWrittenIsAnErrorAtTheEnd) {
  auto ledger = Ledger::Open("/dev/full");
  ASSERT_THAT(ledger, IsOk());
  (*ledger)->Write("put a 1");
  EXPECT_THAT((*ledger)->Close(),
              StatusIs(Code::kResourceExhausted, HasSubstr("ledger")));
}

}  // namespace
}  // namespace kvload
