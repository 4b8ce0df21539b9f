// SPDX-License-Identifier: Apache-2.0
// Many objects deleted by few requests.
#include "fodc/object_store/base64.h"
#include "fodc/object_store/digests.h"
#include "fodc/object_store/sigv4.h"
#include "tests/object_store/server_fixture.h"

namespace fodc::object_store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Keys = std::vector<std::string>;

class DeletesTest : public ServerTest {
 protected:
  // So many objects; the log is empty afterwards.
  Keys PutMany(int count) {
    Keys keys;
    for (int i = 0; i < count; ++i) {
      keys.push_back(StrCat("d/", i, " +%&?ä"));
      EXPECT_THAT(Put(keys.back(), "x"), IsOk());
    }
    Forget();
    return keys;
  }
  std::vector<ObjectInfo> Left() {
    auto page = store_->List({.prefix = "d/"}, {});
    EXPECT_THAT(page, IsOk());
    return page.ok() ? page->objects : std::vector<ObjectInfo>();
  }
  std::size_t AtOnce() const { return GetParam() == Kind::kGcs ? 100 : 256; }
};
INSTANTIATE_TEST_SUITE_P(Kinds, DeletesTest,
                         ::testing::Values(Kind::kGcs, Kind::kAzure), KindName);

TEST_P(DeletesTest, GoInBatchesAndTheLastAlone) {
  const Keys keys = PutMany(257);
  EXPECT_THAT(store_->Delete(keys, {}), IsOk());
  EXPECT_EQ(Count("batch"), 256 / AtOnce() + (256 % AtOnce() == 0 ? 0 : 1));
  EXPECT_EQ(Count("delete"), GetParam() == Kind::kAzure ? 1u : 0u);
  EXPECT_THAT(Left(), IsEmpty());
  // What is not there is deleted.
  EXPECT_THAT(store_->Delete({keys[0], keys[1], "never"}, {}), IsOk());
  EXPECT_THAT(store_->Delete({"bad/../key", keys[1]}, {}),
              StatusIs(Code::kInvalidArgument, HasSubstr("..")));
}

TEST_P(DeletesTest, WhatPassesIsTriedAgain) {
  for (const int status : {429, 500, 503}) {
    SCOPED_TRACE(status);
    Keys keys = PutMany(10);
    // The batch, and one in it until it is alone.
    Fail(StrCat(R"([{"operation":"batch","action":"status","count":2,)",
                R"("status":)", status,
                R"(},{"operation":"batch","action":"part_status","count":2,)",
                R"("status":)", status, "}]"));
    EXPECT_THAT(store_->Delete(keys, {}), IsOk());
    EXPECT_THAT(Left(), IsEmpty());
    EXPECT_EQ(Count("batch"), 3u);
    EXPECT_EQ(Count("delete"), 1u);
  }
  const Keys keys = PutMany(10);
  Fail(R"([{"operation":"batch","action":"reset_after","count":1}])");
  EXPECT_THAT(store_->Delete(keys, {}), IsOk());
  Fail(R"([{"operation":"batch","action":"short_body","count":1}])");
  EXPECT_THAT(store_->Delete(PutMany(10), {}), IsOk());
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_P(DeletesTest, OneThatIsRefusedIsNamedAndTheOthersAreDeleted) {
  const Keys keys = PutMany(10);
  Fail(R"([{"operation":"batch","action":"part_status","status":403}])");
  EXPECT_THAT(store_->Delete(keys, {}),
              StatusIs(Code::kPermissionDenied,
                       AllOf(HasSubstr(keys[0]), HasSubstr("HTTP 403"))));
  EXPECT_THAT(Left(), SizeIs(1));
}

TEST_P(DeletesTest, AServiceWithoutBatchesIsAskedOnce) {
  for (const int status : {400, 404, 501}) {
    SCOPED_TRACE(status);
    auto store = Open();
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    Fail(StrCat(R"([{"operation":"batch","action":"status","status":)", status,
                "}]"));
    EXPECT_THAT(store_->Delete(PutMany(5), {}), IsOk());
    EXPECT_EQ(Count("batch"), 1u);
    EXPECT_EQ(Count("delete"), 5u);
    EXPECT_THAT(store_->Delete(PutMany(5), {}), IsOk());
    EXPECT_EQ(Count("batch"), 0u);
    EXPECT_THAT(Left(), IsEmpty());
  }
}

TEST_P(DeletesTest, CredentialsThatExpiredAreRenewedForAll) {
  if (GetParam() == Kind::kAzure) {
    by_identity_ = true;
    environment_ = {{"IDENTITY_ENDPOINT", Url("/msi/token")},
                    {"IDENTITY_HEADER", "fodc-identity-header"}};
    auto store = Open();
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  const Keys keys = PutMany(5);
  Fail(R"([{"operation":"batch","action":"expired_token","count":1}])");
  EXPECT_THAT(store_->Delete(keys, {}), IsOk());
  EXPECT_EQ(Count("token"), 1u);
  EXPECT_EQ(Count("batch"), 2u);
  EXPECT_EQ(Count("delete"), 0u);
}

// What is signed within the batch is signed anew, too.
TEST_P(DeletesTest, AClockThatIsWrongIsSetByTheServers) {
  const Keys keys = PutMany(5);
  if (GetParam() == Kind::kGcs) return;  // its tokens have no time
  Control("clock", R"({"skew_seconds":7200})");
  EXPECT_THAT(store_->Delete(keys, {}), IsOk());
  EXPECT_EQ(Count("batch"), 2u);
  EXPECT_EQ(Count("delete"), 0u);
  EXPECT_THAT(Left(), IsEmpty());
}

// Each request of a batch has the signature in its query.
TEST_P(DeletesTest, ASignatureIsEnough) {
  if (GetParam() != Kind::kAzure) return;
  const object_server::Credentials c;
  const Keys keys = PutMany(3);
  const auto signature = [&c](const std::string& permissions) {
    const std::string text =
        StrCat(permissions, "\n\n2099-01-01\n/blob/", c.azure_account,
               "/bucket\n\n\n\n2021-12-02\nc\n\n\n\n\n\n\n");
    return StrCat(
        "sp=", permissions, "&se=2099-01-01&sv=2021-12-02&sr=c&",
        EncodeQuery(
            {{"sig", Base64Of(HmacSha256(*ParseBase64(c.azure_key), text))}}));
  };
  auto store = Open({.azure_sas_token = signature("rwdl")});
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  EXPECT_THAT(store_->Delete(keys, {}), IsOk());
  EXPECT_THAT(Left(), IsEmpty());
  EXPECT_EQ(Count("batch"), 1u);
  EXPECT_EQ(Count("delete"), 0u);
  store = Open({.azure_sas_token = signature("rwl")});
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Delete(keys, {}),
              StatusIs(Code::kPermissionDenied,
                       HasSubstr("AuthorizationPermissionMismatch")));
}

TEST_P(DeletesTest, OfABucketThatIsNotThereFail) {
  Start({.bucket = "other"});
  EXPECT_THAT(store_->Delete({"a", "b"}, {}),
              StatusIs(Code::kNotFound, HasSubstr("does not exist")));
}

}  // namespace
}  // namespace fodc::object_store
