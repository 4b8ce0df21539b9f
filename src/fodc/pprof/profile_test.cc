// SPDX-License-Identifier: Apache-2.0
// Writer and reader of profiles against each other, and the reader against what
// is no profile.
#include "fodc/pprof/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/heap_profile.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/profile_writer.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Mapping MakeMapping(std::uint64_t start, std::string_view path) {
  Mapping m;
  m.start = start;
  m.limit = start + 0x1000;
  m.file_offset = 0x200;
  m.path_bytes = static_cast<std::uint16_t>(path.size());
  std::copy(path.begin(), path.end(), m.path_data.begin());
  m.build_id_bytes = 3;
  m.build_id_data = {0xab, 0x01, 0xff};
  return m;
}

Sink To(std::string* out) {
  return [out](std::string_view piece) {
    out->append(piece);
    return OkStatus();
  };
}

std::string HeapProfile() {
  std::string out;
  const std::vector<Mapping> mappings = {MakeMapping(0x1000, "/bin/a"),
                                         MakeMapping(0x5000, "/lib/b")};
  const std::string_view comments[] = {"something was lost"};
  HeapProfileHead head;
  head.sample_interval_bytes = 524288;
  head.time = FromUnixMillis(1700000000123);
  head.mappings = mappings;
  head.comments = comments;
  auto writer = HeapProfileWriter::Create(head, To(&out));
  EXPECT_THAT(writer, IsOk());
  const std::uint64_t deep[] = {0x1101, 0x5201, 0x9999};
  const std::uint64_t flat[] = {0x5201};
  EXPECT_THAT((*writer)->Add(deep, {10, 1000, 4, 400}), IsOk());
  EXPECT_THAT((*writer)->Add(flat, {1, 7, 0, 0}), IsOk());
  EXPECT_THAT((*writer)->Add({}, {2, 20, 2, 20}), IsOk());
  EXPECT_THAT((*writer)->Finish(), IsOk());
  return out;
}

TEST(ProfileTest, HasWhatWasWritten) {
  const auto read = ReadProfile(HeapProfile());
  ASSERT_THAT(read, IsOk());
  const Profile& p = *read;
  ASSERT_EQ(p.sample_types().size(), 4u);
  const char* const types[] = {"alloc_objects", "alloc_space", "inuse_objects",
                               "inuse_space"};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(p.Text(p.sample_types()[i].type), types[i]);
    EXPECT_EQ(p.Text(p.sample_types()[i].unit), i % 2 == 0 ? "count" : "bytes");
    EXPECT_EQ(p.FindSampleType(types[i]), i);
  }
  EXPECT_EQ(p.FindSampleType("cpu"), std::nullopt);
  EXPECT_EQ(p.default_sample_type(), "inuse_space");
  EXPECT_THAT(p.drop_frames(), HasSubstr("operator new.*|malloc|"));
  EXPECT_EQ(p.Text(p.period_type().type), "space");
  EXPECT_EQ(p.Text(p.period_type().unit), "bytes");
  EXPECT_EQ(p.period(), 524288);
  EXPECT_EQ(p.time_ns(), 1700000000123000000);
  ASSERT_EQ(p.comments().size(), 1u);
  EXPECT_EQ(p.Text(p.comments()[0]), "something was lost");

  ASSERT_EQ(p.mappings().size(), 2u);
  EXPECT_EQ(p.mappings()[1].start, 0x5000u);
  EXPECT_EQ(p.mappings()[1].limit, 0x6000u);
  EXPECT_EQ(p.mappings()[1].file_offset, 0x200u);
  EXPECT_EQ(p.Text(p.mappings()[1].path), "/lib/b");
  EXPECT_EQ(p.Text(p.mappings()[1].build_id), "ab01ff");

  ASSERT_EQ(p.sample_count(), 3u);
  SampleReader samples(p);
  const SampleReader::Sample deep = samples.Read(0);
  EXPECT_THAT(deep.values, ElementsAre(10, 1000, 4, 400));
  ASSERT_EQ(deep.locations.size(), 3u);
  const auto location = [&](std::size_t frame) {
    return p.locations()[deep.locations[frame]];
  };
  // Calls, not what they return to.
  EXPECT_EQ(location(0).address, 0x1100u);
  EXPECT_EQ(location(0).mapping, 0u);
  EXPECT_EQ(location(1).address, 0x5200u);
  EXPECT_EQ(location(1).mapping, 1u);
  EXPECT_EQ(location(2).mapping, Profile::kNone);
  const std::uint32_t second = deep.locations[1];
  EXPECT_THAT(samples.Read(1).locations, ElementsAre(second));
  EXPECT_TRUE(samples.Read(2).locations.empty());
  EXPECT_EQ(p.locations().size(), 3u);
}

TEST(ProfileTest, KeepsLabels) {
  std::string out;
  const ValueTypeName types[] = {{"threads", "count"}};
  ProfileHead head;
  head.sample_types = types;
  auto writer = ProfileWriter::Create(head, To(&out));
  ASSERT_THAT(writer, IsOk());
  const std::int64_t one[] = {1};
  const SampleLabel labels[] = {{"thread", "main"}, {"state", "R"}};
  ASSERT_THAT((*writer)->Add({}, one, labels), IsOk());
  ASSERT_THAT((*writer)->Finish(), IsOk());
  const auto p = ReadProfile(out);
  ASSERT_THAT(p, IsOk());
  SampleReader samples(*p);
  const auto read = samples.ReadLabels(0);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(p->Text(read[0].key), "thread");
  EXPECT_EQ(p->Text(read[0].text), "main");
  EXPECT_EQ(p->Text(read[1].text), "R");
}

TEST(ProfileWriterTest, RefusesAnotherNumberOfValues) {
  std::string out;
  const ValueTypeName types[] = {{"threads", "count"}};
  ProfileHead head;
  head.sample_types = types;
  auto writer = ProfileWriter::Create(head, To(&out));
  ASSERT_THAT(writer, IsOk());
  const std::int64_t two[] = {1, 2};
  EXPECT_EQ((*writer)->Add({}, two).code(), Code::kInvalidArgument);
}

TEST(ReadProfileTest, RefusesWhatIsCutAnywhere) {
  const std::string whole = *Gunzip(HeapProfile(), 1 << 20);
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto p = ReadProfile(whole.substr(0, size));
    if (!p.ok()) ++refused;
  }
  // Only a cut between two fields leaves a profile, of less.
  EXPECT_GT(refused, whole.size() * 3 / 4);
  EXPECT_EQ(ReadProfile("").status().message(), "it is empty");
}

// A profile of two strings, one type and what `add` adds.
template <typename Add>
Status ReadWith(const Add& add) {
  WireMessage m;
  WireMessage type;
  type.Uint(kValueTypeType, 1);
  m.Bytes(kProfileStringTable, "");
  m.Bytes(kProfileStringTable, "x");
  m.Bytes(kProfileSampleType, type.bytes());
  add(&m);
  return ReadProfile(std::string(m.bytes())).status();
}

TEST(ReadProfileTest, NamesWhatRefersToNothing) {
  WireMessage part;
  part.Item(kSampleValue, 1);
  EXPECT_THAT(
      ReadWith([&](WireMessage* m) { m->Bytes(kProfileSample, part.bytes()); }),
      IsOk());
  part.Item(kSampleLocationId, 9);
  EXPECT_THAT(ReadWith([&](WireMessage* m) {
                m->Bytes(kProfileSample, part.bytes());
              }).message(),
              HasSubstr("no location 9"));
  part.Clear();
  part.Uint(kLocationId, 1);
  part.Uint(kLocationMappingId, 5);
  EXPECT_THAT(ReadWith([&](WireMessage* m) {
                m->Bytes(kProfileLocation, part.bytes());
              }).message(),
              HasSubstr("no mapping 5"));
  part.Clear();
  part.Uint(kLocationId, 1);
  EXPECT_THAT(ReadWith([&](WireMessage* m) {
                m->Bytes(kProfileLocation, part.bytes());
                m->Bytes(kProfileLocation, part.bytes());
              }).message(),
              HasSubstr("location 1 is given twice"));
  part.Clear();
  part.Uint(kFunctionId, 1);
  part.Uint(kFunctionName, 2);
  EXPECT_THAT(ReadWith([&](WireMessage* m) {
                m->Bytes(kProfileFunction, part.bytes());
              }).message(),
              HasSubstr("no string 2 of 2"));
}

TEST(ReadProfileTest, WantsAValueForEachType) {
  EXPECT_THAT(
      ReadWith([](WireMessage* m) { m->Bytes(kProfileSample, ""); }).message(),
      HasSubstr("0 values for 1 types"));
}

TEST(ReadProfileTest, FindsIdsThatAreNotDense) {
  WireMessage part;
  const Status status = ReadWith([&](WireMessage* m) {
    for (const std::uint64_t id : {~std::uint64_t{0}, std::uint64_t{5000}}) {
      part.Clear();
      part.Uint(kLocationId, id);
      m->Bytes(kProfileLocation, part.bytes());
      part.Clear();
      part.Item(kSampleValue, 1);
      part.Item(kSampleLocationId, id);
      m->Bytes(kProfileSample, part.bytes());
    }
  });
  EXPECT_THAT(status, IsOk());
  part.Clear();
  part.Uint(kLocationId, 5000);
  EXPECT_THAT(ReadWith([&](WireMessage* m) {
                m->Bytes(kProfileLocation, part.bytes());
                m->Bytes(kProfileLocation, part.bytes());
              }).message(),
              HasSubstr("location 5000 is given twice"));
  EXPECT_THAT(ReadWith([](WireMessage* m) {
                m->Bytes(kProfileLocation, "");
              }).message(),
              HasSubstr("a location with the id 0"));
}

TEST(ReadProfileTest, SurvivesFieldsOfAnotherKind) {
  // Numbers where messages and texts belong.
  for (std::uint32_t field = 1; field <= 15; ++field) {
    ReadWith([field](WireMessage* m) {
      m->Item(field, 7);
      m->Bytes(field, "\x08");
    }).IgnoreError();
  }
  EXPECT_THAT(ReadWith([](WireMessage* m) { m->Item(kProfileStringTable, 7); }),
              IsOk());
}

TEST(ReadProfileTest, NamesTheLimitThatIsReached) {
  const std::string bytes = HeapProfile();
  const auto read = [&bytes](const ProfileLimits& limits) {
    return ReadProfile(bytes, limits).status();
  };
  ProfileLimits limits;
  limits.items = 2;
  EXPECT_THAT(read(limits), StatusIs(Code::kResourceExhausted,
                                     HasSubstr("more than 2 strings")));
  limits = {};
  limits.bytes = 100;
  EXPECT_THAT(read(limits), StatusIs(Code::kResourceExhausted,
                                     HasSubstr("more than 100 bytes")));
  limits = {};
  limits.frames = 3;
  EXPECT_THAT(read(limits),
              StatusIs(Code::kResourceExhausted,
                       HasSubstr("a sample of more than 3 frames")));
  limits.frames = 4;
  EXPECT_THAT(read(limits), IsOk());
  // A message that is not packed has the same limit.
  limits = {};
  limits.bytes = 100;
  EXPECT_THAT(
      ReadProfile(*Gunzip(bytes, 1 << 20), limits).status(),
      StatusIs(Code::kResourceExhausted, HasSubstr("more than 100 bytes")));
}

TEST(ReadProfileTest, UnpacksABombNoFurtherThanItsLimit) {
  std::string bomb;
  auto gzip = GzipWriter::Create(To(&bomb));
  ASSERT_THAT(gzip, IsOk());
  const std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 5; ++i) ASSERT_THAT((*gzip)->Write(zeros), IsOk());
  ASSERT_THAT((*gzip)->Finish(), IsOk());
  EXPECT_LT(bomb.size(), 1u << 16);
  ProfileLimits limits;
  limits.bytes = 4 << 20;
  EXPECT_THAT(
      ReadProfile(bomb, limits).status(),
      StatusIs(Code::kResourceExhausted, HasSubstr("more than 4194304 bytes")));
}

TEST(UnsampleTest, GivesBackTheMean) {
  // Small ones are seen rarely: each stands for interval / size of them.
  const auto small = Unsample({1, 16}, 524288);
  EXPECT_NEAR(static_cast<double>(small.objects), 32768.5, 1);
  EXPECT_NEAR(static_cast<double>(small.bytes), 524296, 1);
  // Large ones are always seen.
  const auto large = Unsample({3, 300 << 20}, 524288);
  EXPECT_EQ(large.objects, 3u);
  EXPECT_EQ(large.bytes, 300u << 20);
  const auto none = Unsample({0, 0}, 524288);
  EXPECT_EQ(none.bytes, 0u);
  const auto all = Unsample({5, 50}, 1);
  EXPECT_EQ(all.objects, 5u);
  const auto huge = Unsample({1, 1}, ~std::uint64_t{0});
  EXPECT_GT(huge.objects, std::uint64_t{1} << 62);
}

}  // namespace
}  // namespace fodc::pprof
