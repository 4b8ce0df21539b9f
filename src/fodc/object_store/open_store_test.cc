// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class OpenStoreTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<ObjectStore>> Open(std::string_view url,
                                            StoreOptions options = {}) {
    options.environment =
        [this](const char* name) -> std::optional<std::string> {
      asked_.emplace_back(name);
      const auto it = environment_.find(name);
      if (it == environment_.end()) return {};
      return it->second;
    };
    return OpenStore(*ParseLocation(url), std::move(options), SystemClock());
  }
  const TempDirectory dir_;
  std::map<std::string, std::string> environment_;
  std::vector<std::string> asked_;  // of the environment
};

TEST_F(OpenStoreTest, OpensEachKind) {
  for (const std::string& url :
       {StrCat("file://", dir_.path()), std::string("s3://bucket/base"),
        std::string("gs://bucket/base")}) {
    const auto store = Open(url);
    ASSERT_THAT(store, IsOk()) << url;
    EXPECT_EQ((*store)->name(), url);
  }
  const auto azure =
      Open("azblob://container/base",
           {.azure_account_name = "backups", .azure_account_key = "a2V5"});
  ASSERT_THAT(azure, IsOk());
  EXPECT_EQ((*azure)->name(), "azure://container/base");
  EXPECT_TRUE((*azure)->digest_kinds().md5);
}

// What is tested is what runs: nothing of it behaves otherwise for an emulator.
TEST_F(OpenStoreTest, NoVariableNamesAnEmulator) {
  for (const char* url : {"s3://bucket", "gs://bucket", "azure://container"}) {
    const auto store = Open(
        url, {.azure_account_name = "backups", .azure_account_key = "a2V5"});
    ASSERT_THAT(store, IsOk()) << url;
  }
  EXPECT_FALSE(asked_.empty());
  for (const std::string& name : asked_)
    EXPECT_EQ(ToLower(name).find("emulator"), name.npos) << name;
}

// Upstream's fail beyond what one request of S3 may have.
TEST_F(OpenStoreTest, WhatIsLargerThanOneRequestMayBeGoesInParts) {
  const std::pair<const char*, std::uint64_t> limits[] = {
      {"s3://bucket", std::uint64_t{5} << 30},
      {"azure://container", std::uint64_t{5000} << 20}};
  for (const auto& [url, most] : limits) {
    const auto store = Open(
        url, {.azure_account_name = "backups", .azure_account_key = "a2V5"});
    ASSERT_THAT(store, IsOk()) << url;
    EXPECT_LE((*store)->single_put_bytes(), most) << url;
  }
}

TEST_F(OpenStoreTest, TheConnectionStringGoesBeforeTheFlags) {
  environment_["AZURE_STORAGE_CONNECTION_STRING"] = "AccountName=Wrong";
  EXPECT_THAT(Open("azure://container", {.azure_account_name = "backups",
                                         .azure_account_key = "a2V5"}),
              StatusIs(Code::kInvalidArgument, HasSubstr("3 to 24")));
  environment_.clear();
  EXPECT_THAT(Open("azure://container"), StatusIs(Code::kInvalidArgument, _));
}

// Without key, signature and connection string somebody has to give tokens.
TEST_F(OpenStoreTest, AnAccountAloneNeedsAnIdentity) {
  environment_ = {{"AZURE_FEDERATED_TOKEN_FILE", dir_.File("none")},
                  {"AZURE_CLIENT_ID", "c"},
                  {"AZURE_TENANT_ID", "t"}};
  const auto store =
      Open("azure://container", {.azure_account_name = "backups"});
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Head("k", {}),
              StatusIs(Code::kNotFound, HasSubstr("none")));
  EXPECT_THAT(Open("azure://container", {.azure_endpoint = "https://h"}),
              IsOk());
  EXPECT_THAT(Open("azure://container"),
              StatusIs(Code::kInvalidArgument, HasSubstr("account's name")));
}

TEST_F(OpenStoreTest, FilesOfAwsThatCannotBeReadAreNamed) {
  EXPECT_THAT(Open("s3://bucket", {.s3_config_file = dir_.File("none")}),
              StatusIs(Code::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace fodc::object_store
