// SPDX-License-Identifier: Apache-2.0
// Copies of events, as a proxy keeps them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "fodc/evidence/capsule_testing.h"
#include "fodc/evidence/capsule_writer.h"
#include "fodc/evidence/event_store_testing.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EventImportTest : public EventStoreTest {
 protected:
  EventImportTest() : id_(AddEvent(store_.get(), now_, {{"a", "x"}})) {}

  ReadBytes Capsule() {
    auto writer = std::shared_ptr<CapsuleWriter>(
        CapsuleWriter::Make(*store_, id_).value());
    return [writer](std::span<char> buffer) { return writer->Read(buffer); };
  }
  void Amend(std::string_view name) {
    const auto writer = store_->Reopen(id_, kPlenty).value();
    EventMeta meta = writer->meta();
    AddArtifact(writer.get(), name, "later", &meta);
    ASSERT_THAT(writer->Commit(meta), IsOk());
  }

  const std::string copies_ = tree_.File("copies");
  std::unique_ptr<EventStore> copy_ = OpenStore(copies_);
  const std::string id_;
};

TEST_F(EventImportTest, ACopyIsAnEvent) {
  const auto content = copy_->Import(Capsule(), kPlenty);
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->id, id_);
  EXPECT_EQ(copy_->Read(id_)->meta, store_->Read(id_)->meta);
  EXPECT_EQ(ReadAll(copy_->OpenArtifact(id_, "a").value()), "x");
  EXPECT_THAT(ListDirectory(copies_), IsOkAndHolds(ElementsAre(id_)));
  EXPECT_THAT(copy_->Import(Capsule(), kPlenty),
              StatusIs(Code::kAlreadyExists, HasSubstr("in revision 1")));
}

TEST_F(EventImportTest, ANewerRevisionTakesItsPlaceAndStaysPinned) {
  const ReadBytes old = Capsule();
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  ASSERT_THAT(copy_->Pin(id_, {}), IsOk());
  const auto open = copy_->OpenArtifact(id_, "a");
  Amend("b");
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  EXPECT_EQ(copy_->Read(id_)->meta.revision, 2u);
  EXPECT_TRUE(copy_->Read(id_)->is_pinned);
  EXPECT_EQ(ReadAll(copy_->OpenArtifact(id_, "b").value()), "later");
  EXPECT_EQ(ReadAll(*open), "x");
  EXPECT_THAT(copy_->Import(old, kPlenty),
              StatusIs(Code::kAlreadyExists, HasSubstr("in revision 2")));
  EXPECT_THAT(ListDirectory(copies_), IsOkAndHolds(ElementsAre(id_)));
}

TEST_F(EventImportTest, TakesThePlaceOfADamagedOne) {
  WriteTree(copies_, {{id_ + "/meta.json", "{"}, {id_ + "/rest", "x"}});
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  EXPECT_THAT(ListDirectory(copies_ + "/" + id_),
              IsOkAndHolds(ElementsAre("a", "meta.json")));
}

TEST_F(EventImportTest, OneThatBreaksOffLeavesWhatWasThere) {
  const auto broken = [read = Capsule(),
                       n = 0](std::span<char> buffer) mutable {
    return n++ == 0 ? read(buffer.first(100))
                    : Result<std::size_t>(Unavailable("the link broke"));
  };
  EXPECT_THAT(copy_->Import(broken, kPlenty),
              StatusIs(Code::kUnavailable, HasSubstr("the link broke")));
  EXPECT_THAT(ListDirectory(copies_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(copy_->Import(ReadFrom("no capsule"), kPlenty),
              StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(copy_->Import(Capsule(), {.max_bytes = 100, .min_bytes = 1}),
              StatusIs(Code::kResourceExhausted, HasSubstr("larger")));
  EXPECT_THAT(ListDirectory(copies_), IsOkAndHolds(IsEmpty()));
}

TEST_F(EventImportTest, WhatIsNotAcceptedLeavesWhatWasThere) {
  const auto refuse = [](const CapsuleContent& content) {
    return InvalidArgument("not " + content.id);
  };
  EXPECT_THAT(copy_->Import(Capsule(), kPlenty, refuse),
              StatusIs(Code::kInvalidArgument, HasSubstr("not " + id_)));
  EXPECT_THAT(ListDirectory(copies_), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  Amend("b");
  EXPECT_FALSE(copy_->Import(Capsule(), kPlenty, refuse).ok());
  EXPECT_EQ(copy_->Read(id_)->meta.revision, 1u);
}

TEST_F(EventImportTest, AStartSweepsHalfACopy) {
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  const std::string part = "." + id_ + ".part";
  WriteTree(copies_, {{part + "/meta.json", "{}"},
                      {part + "/a", "x"},
                      {".notes.part/a", "x"}});
  EXPECT_THAT(copy_->Import(Capsule(), kPlenty),
              StatusIs(Code::kAlreadyExists, _));
  copy_.reset();
  copy_ = OpenStore(copies_);
  EXPECT_THAT(copy_->sweep().removed, ElementsAre(part));
  EXPECT_THAT(ListDirectory(copies_),
              IsOkAndHolds(ElementsAre(".notes.part", id_)));
}

TEST_F(EventImportTest, WaitsForNobodyWhoWritesIt) {
  ASSERT_THAT(copy_->Import(Capsule(), kPlenty), IsOk());
  Amend("b");
  const auto writer = copy_->Reopen(id_, kPlenty).value();
  EXPECT_THAT(copy_->Import(Capsule(), kPlenty),
              StatusIs(Code::kUnavailable, HasSubstr("being written")));
  EXPECT_EQ(copy_->Read(id_)->meta.revision, 1u);
}

}  // namespace
}  // namespace fodc::evidence
