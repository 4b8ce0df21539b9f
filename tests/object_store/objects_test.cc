// SPDX-License-Identifier: Apache-2.0
// What each store does against a server that checks signatures, digests and
// lengths.
#include "tests/object_store/server_fixture.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ObjectsTest : public ServerTest {
 protected:
  // All of them, page by page.
  std::vector<std::string> List(const std::string& prefix,
                                const std::string& delimiter = "") {
    std::vector<std::string> names;
    ListRequest request{.prefix = prefix, .delimiter = delimiter};
    do {
      const auto page = store_->List(request, {});
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) return names;
      // Each in its order; a page has both.
      for (const ObjectInfo& o : page->objects) names.push_back(o.key);
      for (const std::string& p : page->prefixes) names.push_back(p);
      request.token = page->next_token;
    } while (!request.token.empty());
    std::ranges::sort(names);
    return names;
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, ObjectsTest,
                         ::testing::Values(Kind::kS3, Kind::kGcs, Kind::kAzure),
                         KindName);

TEST_P(ObjectsTest, OfAllSizesComeBackAsTheyWere) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, kSinglePutBytes - 1, kSinglePutBytes,
        kSinglePutBytes + 1, 2 * kPartBytes, kLargeBytes}) {
    SCOPED_TRACE(bytes);
    const std::string key = StrCat("size/", bytes);
    ASSERT_THAT(Put(key, Bytes(bytes)), IsOk());
    const auto got = Get(key);
    ASSERT_THAT(got, IsOk());
    EXPECT_TRUE(*got == Bytes(bytes));
    const auto info = store_->Head(key, {});
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ(info->bytes, bytes);
    EXPECT_EQ(info->sha256, DigestsOf(MemoryBlob(Bytes(bytes)), {})->sha256);
  }
  EXPECT_TRUE(
      *Get(StrCat("size/", kLargeBytes), {.offset = 1000, .bytes = 5000}) ==
      Bytes(kLargeBytes).substr(1000, 5000));
}

// Exactly one request for each object that fits one.
TEST_P(ObjectsTest, GoInOneRequest) {
  ASSERT_THAT(Put("first", "x"), IsOk());  // with what has to be asked once
  Forget();
  for (int i = 0; i < 10; ++i) ASSERT_THAT(Put(StrCat("n", i), "x"), IsOk());
  std::uint64_t all = 0;
  for (const auto& [operation, statuses] : Counts()) {
    for (const auto& [status, count] : statuses) all += count;
  }
  EXPECT_EQ(Count("put"), 10u);
  EXPECT_EQ(all, 10u);
}

TEST_P(ObjectsTest, HaveAnyName) {
  std::vector<std::string> keys = {"a b",     "a+b",         "a%20b",
                                   "a:b",     "a#b?c&d=e;f", "quote\"'`",
                                   "ä/日本",  "back\\slash", "~-_.!*()",
                                   "a/b.c/d", "x@y,z$"};
  keys.push_back("deep/" + std::string(200, 'd') + "/" + std::string(200, 'e') +
                 "/" + std::string(400, 'f'));
  for (const std::string& key : keys)
    ASSERT_THAT(Put("names/" + key, key), IsOk()) << key;
  for (const std::string& key : keys)
    EXPECT_THAT(Get("names/" + key), IsOkAndHolds(key));
  std::vector<std::string> wanted;
  for (const std::string& key : keys) wanted.push_back("names/" + key);
  std::ranges::sort(wanted);
  EXPECT_EQ(List("names/"), wanted);
  EXPECT_THAT(store_->Delete(wanted, {}), IsOk());
  EXPECT_THAT(List("names/"), ElementsAre());
}

TEST_P(ObjectsTest, AreListedInOrderPageByPage) {
  Start({.page_size = 3});
  for (const char* key :
       {"l/a", "l/b", "l/b.c", "l/b/1", "l/b/2", "l/c/1", "l/d", "m/z"})
    ASSERT_THAT(Put(key, "x"), IsOk());
  EXPECT_THAT(List("l/"), ElementsAre("l/a", "l/b", "l/b.c", "l/b/1", "l/b/2",
                                      "l/c/1", "l/d"));
  EXPECT_THAT(List("l/", "/"),
              ElementsAre("l/a", "l/b", "l/b.c", "l/b/", "l/c/", "l/d"));
  EXPECT_THAT(List("none/"), ElementsAre());
}

TEST_P(ObjectsTest, AreMadeOnlyOnceIfThatIsMeant) {
  EXPECT_THAT(Put("lease", "1", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Put("lease", "2", {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, _));
  EXPECT_THAT(Get("lease"), IsOkAndHolds("1"));
  // The answer is lost, and the one that is there is ours.
  Fail(R"([{"operation":"put","action":"reset_after","count":1}])");
  EXPECT_THAT(Put("other", "mine", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Get("other"), IsOkAndHolds("mine"));
}

TEST_P(ObjectsTest, AreCopiedAndDeleted) {
  ASSERT_THAT(Put("from a", "text"), IsOk());
  ASSERT_THAT(store_->Copy("from a", "to b", {}), IsOk());
  EXPECT_THAT(Get("to b"), IsOkAndHolds("text"));
  EXPECT_EQ(store_->Head("to b", {})->sha256,
            DigestsOf(MemoryBlob("text"), {})->sha256);
  EXPECT_THAT(store_->Copy("nothing", "c", {}), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(store_->Delete({"from a", "never there"}, {}), IsOk());
  EXPECT_THAT(Get("from a"), StatusIs(Code::kNotFound, HasSubstr("from a")));
  EXPECT_THAT(store_->Head("from a", {}), StatusIs(Code::kNotFound, _));
}

// One byte of what is stored is another one.
TEST_P(ObjectsTest, ThatRotAreNotTakenForThemselves) {
  ASSERT_THAT(Put("k", "hello"), IsOk());
  Control("corrupt", R"({"key":"base/k","offset":2})");
  EXPECT_THAT(Get("k"), StatusIs(Code::kDataLoss, HasSubstr("k")));
}

// What was broken off goes on where it was, also by another store.
TEST_P(ObjectsTest, ThatAreLargeGoOnWhereTheyBroke) {
  const std::string session = dir_.File("session");
  const std::string part = GetParam() == Kind::kGcs ? "put_part" : "put_part";
  Fail(StrCat(R"([{"operation":")", part,
              R"(","action":"status","status":503,"first":3}])"));
  EXPECT_THAT(Put("large", Bytes(kLargeBytes), {.session = session}),
              StatusIs(Code::kUnavailable, _));
  EXPECT_THAT(Get("large"), StatusIs(Code::kNotFound, _));
  Fail("[]");
  Forget();
  auto again = Open();
  ASSERT_THAT(again, IsOk());
  store_ = *std::move(again);
  ASSERT_THAT(Put("large", Bytes(kLargeBytes), {.session = session}), IsOk());
  EXPECT_TRUE(*Get("large") == Bytes(kLargeBytes));
  // Of four parts two were there. (Google's last one completes it.)
  EXPECT_EQ(Count("put_part"), GetParam() == Kind::kGcs ? 1u : 2u);
  EXPECT_EQ(Count("create_upload"), 0u);
}

class S3ObjectsTest : public ObjectsTest {};
INSTANTIATE_TEST_SUITE_P(Kinds, S3ObjectsTest, ::testing::Values(Kind::kS3),
                         KindName);

TEST_P(S3ObjectsTest, GoWithEachChecksum) {
  for (const char* algorithm : {"SHA256", "SHA1", "CRC32", "CRC32C", "none"}) {
    SCOPED_TRACE(algorithm);
    auto store = Open({.s3_checksum_algorithm = algorithm});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    for (const std::size_t bytes : {std::size_t{10}, kLargeBytes}) {
      const std::string key = StrCat(algorithm, "/", bytes);
      ASSERT_THAT(Put(key, Bytes(bytes)), IsOk());
      EXPECT_TRUE(*Get(key) == Bytes(bytes));
    }
  }
}

// The bucket's region is not what was thought.
TEST_P(S3ObjectsTest, AreFoundInTheirRegion) {
  Start({.region = "eu-west-1"});
  EXPECT_THAT(Put("k", "hello"), IsOk());
  EXPECT_THAT(Get("k"), IsOkAndHolds("hello"));
}

// With virtual hosts it would be another test: there is no such name here.
TEST_P(S3ObjectsTest, NeedTheSessionsToken) {
  object_server::Options options;
  options.credentials.session_token = "token";
  Start(options);
  EXPECT_FALSE(Put("k", "hello").ok());
  environment_["AWS_SESSION_TOKEN"] = "token";
  auto store = Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  EXPECT_THAT(Put("k", "hello"), IsOk());
}

}  // namespace
}  // namespace fodc::object_store
