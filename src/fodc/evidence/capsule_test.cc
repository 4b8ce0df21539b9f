// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/capsule_testing.h"
#include "fodc/evidence/capsule_writer.h"
#include "fodc/evidence/event_store_testing.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kId[] = "20260627T101112.000000000Z";

Result<std::string> Drain(CapsuleWriter* writer, std::size_t piece) {
  std::string bytes;
  std::string buffer(piece, '\0');
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const std::size_t n, writer->Read(buffer));
    if (n == 0) return bytes;
    bytes.append(buffer, 0, n);
  }
}

class CapsuleTest : public EventStoreTest {
 protected:
  std::string Capsule(std::string_view id, std::size_t piece = 1000) {
    auto writer = CapsuleWriter::Make(*store_, id);
    EXPECT_THAT(writer, IsOk());
    const auto bytes = Drain(writer->get(), piece);
    EXPECT_THAT(bytes, IsOk());
    return *bytes;
  }
  std::string WriteCapsule(std::string_view bytes) {
    std::string path = tree_.File("x.tar.zst");
    EXPECT_THAT(WriteFileAtomically(path, bytes), IsOk());
    return path;
  }
};

TEST_F(CapsuleTest, HoldsTheEvent) {
  const std::string big(300001, 'b');
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "x"}, {"empty", ""}, {"big", big}},
               {.pod_name = "db-0"});
  const std::string capsule = Capsule(id);
  for (const std::size_t piece : {1u, 7u, 65536u, 1u << 20}) {
    EXPECT_EQ(Capsule(id, piece), capsule) << piece;
    const auto content = ReadCapsule(ReadFrom(capsule, piece), nullptr);
    ASSERT_THAT(content, IsOk());
    EXPECT_EQ(content->id, id);
    EXPECT_EQ(content->meta, store_->Read(id)->meta);
    EXPECT_THAT(
        content->files,
        ElementsAre(
            CapsuleFile{.name = "a", .bytes = 1, .sha256 = HexOf("x")},
            CapsuleFile{.name = "empty", .sha256 = HexOf("")},
            CapsuleFile{
                .name = "big", .bytes = big.size(), .sha256 = HexOf(big)}));
    EXPECT_THAT(content->missing, IsEmpty());
  }
  EXPECT_EQ((*CapsuleWriter::Make(*store_, id))->filename(), id + ".tar.zst");
}

// What people have at hand.
TEST_F(CapsuleTest, OpensWithTarAndSha256sum) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "x"}, {"b", std::string(1000, 'y')}});
  const std::string path = WriteCapsule(Capsule(id));
  EXPECT_EQ(
      Shell(StrCat("cd ", tree_.path(), " && tar --zstd -xf ", path, " && cd ",
                   id, " && sha256sum --quiet --strict -c MANIFEST.sha256")),
      0);
  EXPECT_THAT(
      ListDirectory(tree_.File(id)),
      IsOkAndHolds(ElementsAre("MANIFEST.sha256", "a", "b", "meta.json")));
}

TEST_F(CapsuleTest, TellsNoPathsOfTheAgent) {
  auto writer = store_->Begin(now_, kPlenty).value();
  EventMeta meta;
  AddArtifact(writer.get(), "heap.pprof", "x", &meta);
  meta.profiles = {{.type = "heap", .filename = "heap.pprof", .size_bytes = 1}};
  ASSERT_THAT(writer->Commit(meta), IsOk());
  EXPECT_THAT(writer->meta().profiles[0].filepath, HasSubstr(root_));
  const std::string capsule = Capsule(writer->id());
  const auto content = ReadCapsule(ReadFrom(capsule), nullptr);
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->meta.profiles[0].filepath, "heap.pprof");
}

TEST_F(CapsuleTest, StaysWholeWhenItsEventGoesUnderWay) {
  const std::string big(3 << 20, 'b');
  const std::string id = AddEvent(store_.get(), now_, {{"a", big}, {"b", big}});
  auto writer = CapsuleWriter::Make(*store_, id);
  ASSERT_THAT(writer, IsOk());
  std::string bytes(10, '\0');
  ASSERT_THAT((*writer)->Read(bytes), IsOkAndHolds(10u));
  ASSERT_THAT(store_->Delete(id), IsOk());
  const auto rest = Drain(writer->get(), 65536);
  ASSERT_THAT(rest, IsOk());
  EXPECT_THAT(ReadCapsule(ReadFrom(bytes + *rest), nullptr), IsOk());
}

TEST_F(CapsuleTest, FailsWhenAnArtifactIsCutUnderWay) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", std::string(1 << 20, 'b')}});
  auto writer = CapsuleWriter::Make(*store_, id);
  ASSERT_THAT(writer, IsOk());
  ASSERT_EQ(::truncate(Path(id, "a").c_str(), 100000), 0);
  EXPECT_THAT(Drain(writer->get(), 65536),
              StatusIs(Code::kDataLoss, HasSubstr("shorter")));
  char byte[1];
  EXPECT_THAT((*writer)->Read(byte), StatusIs(Code::kDataLoss, _));
}

TEST_F(CapsuleTest, SaysWhatIsMissingAndWhatWasChanged) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "x"}, {"b", "y"}, {"c", "z"}});
  ASSERT_EQ(::unlink(Path(id, "a").c_str()), 0);
  WriteTree(root_, {{id + "/b", "changed"}});
  const auto content = ReadCapsule(ReadFrom(Capsule(id)), nullptr);
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(content->missing, ElementsAre("a"));
  ASSERT_THAT(content->files, SizeIs(2));
  EXPECT_FALSE(content->files[0].is_as_captured);
  EXPECT_TRUE(content->files[1].is_as_captured);
}

TEST_F(CapsuleTest, IsNotMadeOfWhatIsNoEvent) {
  EXPECT_THAT(CapsuleWriter::Make(*store_, kId), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(CapsuleWriter::Make(*store_, "../x"),
              StatusIs(Code::kInvalidArgument, _));
}

TEST_F(CapsuleTest, IsExtracted) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "x"}, {"b", "yy"}});
  const std::string path = WriteCapsule(Capsule(id));
  const auto content = ExtractCapsule(path, tree_.File("out"));
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(ListDirectory(tree_.File("out")), IsOkAndHolds(ElementsAre(id)));
  EXPECT_THAT(ListDirectory(tree_.File("out/" + id)),
              IsOkAndHolds(ElementsAre("a", "b", "meta.json")));
  EXPECT_THAT(ReadFile(tree_.File("out/" + id + "/b")), IsOkAndHolds("yy"));
  EXPECT_THAT(ExtractCapsule(path, tree_.File("out")),
              StatusIs(Code::kAlreadyExists, HasSubstr(id)));
  // It is an event like any other.
  EXPECT_THAT(OpenStore(tree_.File("out"))->OpenArtifact(id, "a"), IsOk());
}

TEST_F(CapsuleTest, LeavesNothingOfOneThatIsDamaged) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "x"}, {"b", "yy"}});
  const std::string good = Capsule(id);
  const std::string path = WriteCapsule(good.substr(0, good.size() - 5));
  EXPECT_THAT(ExtractCapsule(path, tree_.File("out")),
              StatusIs(Code::kDataLoss, HasSubstr(path)));
  EXPECT_THAT(ListDirectory(tree_.File("out")), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ExtractCapsule(tree_.File("none"), tree_.File("out")),
              StatusIs(Code::kNotFound, _));
}

TEST_F(CapsuleTest, FindsEachByteThatIsWrong) {
  const std::string good =
      Capsule(AddEvent(store_.get(), now_, {{"a", "xyz"}}));
  std::size_t harmless = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    // A few bits of a frame mean nothing.
    const auto content = ReadCapsule(ReadFrom(bad), nullptr);
    if (content.ok()) {
      ++harmless;
      EXPECT_EQ(content->files[0].sha256, HexOf("xyz")) << i;
    }
    EXPECT_THAT(ReadCapsule(ReadFrom(good.substr(0, i)), nullptr),
                StatusIs(Code::kDataLoss, _))
        << i;
  }
  EXPECT_LT(harmless, good.size() / 20);
  EXPECT_THAT(ReadCapsule(ReadFrom(good + "x"), nullptr),
              StatusIs(Code::kDataLoss, HasSubstr("behind the capsule")));
  EXPECT_THAT(ReadCapsule(ReadFrom(good + good), nullptr),
              StatusIs(Code::kDataLoss, HasSubstr("behind the capsule")));
}

Result<CapsuleContent> ReadTar(const std::string& tar,
                               const CapsuleLimits& limits = {}) {
  return ReadCapsule(ReadFrom(Compress(tar)), nullptr, limits);
}

std::string In(std::string_view name) { return StrCat(kId, "/", name); }

TEST(ReadCapsuleTest, RefusesOtherShapes) {
  const TarFiles good =
      WithManifest(kId, {{"meta.json", "{}"}, {"a", "x"}, {"b", "y"}});
  EXPECT_THAT(ReadTar(MakeTar(good)), IsOk());
  const auto changed = [&good](auto change) {
    TarFiles files = good;
    change(&files);
    return ReadTar(MakeTar(files));
  };
  const auto damaged = [](const char* why) {
    return StatusIs(Code::kDataLoss, HasSubstr(why));
  };
  EXPECT_THAT(ReadTar(""), damaged("cut"));
  EXPECT_THAT(ReadTar(MakeTar({})), damaged("no MANIFEST"));
  EXPECT_THAT(changed([](TarFiles* f) { std::swap((*f)[0], (*f)[1]); }),
              damaged("a is out of place"));
  EXPECT_THAT(changed([](TarFiles* f) { std::swap((*f)[2], (*f)[3]); }),
              damaged("b is out of place"));
  EXPECT_THAT(changed([](TarFiles* f) { f->pop_back(); }),
              damaged("no MANIFEST"));
  EXPECT_THAT(changed([](TarFiles* f) { f->erase(f->begin() + 1); }),
              damaged("a of MANIFEST.sha256 is missing"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[1].second = "z"; }),
              damaged("a has the SHA-256"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[2].first = In("c"); }),
              damaged("is not in MANIFEST"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[2] = (*f)[1]; }),
              damaged("a is in the archive twice"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[3].second = "nonsense\n"; }),
              damaged("\"nonsense\" is no line"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[3].second += (*f)[3].second; }),
              damaged("no line of a manifest"));
  EXPECT_THAT(changed([](TarFiles* f) {
                (*f)[3].second.replace(66, 1, "../../../etc/cron.d/x");
              }),
              damaged("no line of a manifest"));
  EXPECT_THAT(changed([](TarFiles* f) { (*f)[0].second = "[]"; }),
              damaged("meta.json"));
  std::string tar = MakeTar(good);
  EXPECT_THAT(ReadTar(tar.substr(0, tar.size() - 512)), damaged("cut"));
  EXPECT_THAT(ReadTar(tar + "x"), damaged("behind the archive"));
  tar[tar.size() - 1] = 'x';
  EXPECT_THAT(ReadTar(tar), damaged("hole"));
}

class Names final : public CapsuleVisitor {
 public:
  Status OnFile(std::string_view, std::string_view name,
                std::uint64_t) override {
    seen.emplace_back(name);
    return name == refused ? ResourceExhausted("full") : OkStatus();
  }
  Status OnBytes(std::string_view) override { return OkStatus(); }

  std::string refused;
  std::vector<std::string> seen;
};

TEST(ReadCapsuleTest, TakesNoNameThatLeadsElsewhere) {
  for (const std::string& name :
       {std::string("/etc/passwd"), std::string("../x"), std::string("x"),
        std::string(kId), In(""), In(".."), In("../x"), In("a/b"),
        In(".hidden"), In("/etc/passwd"), std::string("%2e%2e/x"),
        std::string("20260627T101112.000000001Z/a")}) {
    const TarFiles files = {{In("meta.json"), "{}"}, {name, "x"}};
    Names names;
    EXPECT_THAT(ReadCapsule(ReadFrom(Compress(MakeTar(files))), &names),
                StatusIs(Code::kDataLoss, _))
        << name;
    EXPECT_THAT(names.seen, ElementsAre("meta.json")) << name;
  }
}

// Links, devices, directories, other formats of archives.
TEST(ReadCapsuleTest, TakesNothingButRegularFiles) {
  const std::string tar =
      MakeTar(WithManifest(kId, {{"meta.json", "{}"}, {"a", "x"}}));
  for (const char type : {'1', '2', '3', '5', '6', 'x', 'L', '\0'}) {
    std::string bad = tar;
    const std::size_t head = 1024;  // of "a"
    const int change = type - bad[head + 156];
    bad[head + 156] = type;
    // The sum has six digits of eight; add to it.
    unsigned sum = 0;
    for (std::size_t i = 0; i < 7; ++i)
      sum = sum * 8 + static_cast<unsigned>(bad[head + 148 + i] - '0');
    sum = static_cast<unsigned>(static_cast<int>(sum) + change);
    for (std::size_t i = 7; i-- > 0; sum /= 8)
      bad[head + 148 + i] = static_cast<char>('0' + sum % 8);
    EXPECT_THAT(ReadTar(bad),
                StatusIs(Code::kDataLoss, HasSubstr("no regular file")));
  }
}

TEST(ReadCapsuleTest, UnpacksWithinABound) {
  const std::string tar = MakeTar(WithManifest(
      kId, {{"meta.json", "{}"}, {"bomb", std::string(1 << 20, '\0')}}));
  EXPECT_LT(Compress(tar).size(), 10000u);
  EXPECT_THAT(ReadTar(tar), IsOk());
  EXPECT_THAT(ReadTar(tar, {.max_bytes = 1 << 20}),
              StatusIs(Code::kResourceExhausted, HasSubstr("bomb")));
  TarFiles many = {{In("meta.json"), "{}"}};
  for (int i = 0; i < 129; ++i) many.emplace_back(In(StrCat("f", i)), "");
  EXPECT_THAT(ReadTar(MakeTar(many)),
              StatusIs(Code::kDataLoss, HasSubstr("more than 128")));
  EXPECT_THAT(ReadTar(MakeTar(
                  {{In("meta.json"), std::string(kMaxMetaBytes + 1, ' ')}})),
              StatusIs(Code::kDataLoss, HasSubstr("limit is 262144")));
}

// A frame may want 128 MiB and more of its reader.
TEST(ReadCapsuleTest, GivesAFrameLittleMemory) {
  std::string bytes(64 << 20, '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  std::string frame(ZSTD_compressBound(bytes.size()), '\0');
  ZSTD_outBuffer out{frame.data(), frame.size(), 0};
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ASSERT_EQ(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0u);
  (void)ZSTD_freeCCtx(context);
  frame.resize(out.pos);
  EXPECT_THAT(ReadCapsule(ReadFrom(frame), nullptr),
              StatusIs(Code::kDataLoss, HasSubstr("zstd: Frame requires")));
}

TEST(ReadCapsuleTest, EndsWithTheErrorOfWhoReadsOrLooks) {
  EXPECT_THAT(
      ReadCapsule([](auto) { return Unavailable("the link broke"); }, nullptr),
      StatusIs(Code::kUnavailable, "the link broke"));
  Names full;
  full.refused = "a";
  const std::string capsule =
      Compress(MakeTar(WithManifest(kId, {{"meta.json", "{}"}, {"a", "x"}})));
  EXPECT_THAT(ReadCapsule(ReadFrom(capsule), &full),
              StatusIs(Code::kResourceExhausted, "full"));
}

}  // namespace
}  // namespace fodc::evidence
