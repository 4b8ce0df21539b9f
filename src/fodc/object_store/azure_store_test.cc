// SPDX-License-Identifier: Apache-2.0
// Against a small server in this process; real signatures are checked
// elsewhere.
#include "fodc/object_store/azure_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/net/url.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AzureStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Make({}); }
  void Make(AzureOptions options) {
    options.location = {
        .kind = StoreKind::kAzure, .bucket = "container", .base = "base"};
    options.account = *AzureAccountOf({.account_name = "account",
                                       .account_key = "a2V5",
                                       .endpoint = server_.origin()});
    options.client.retry = {.base = 1ms, .most = 2ms, .attempts = 3};
    store_ = std::make_unique<AzureStore>(std::move(options), transport_,
                                          SystemClock());
  }
  Status Put(std::string_view key, std::string_view bytes,
             PutOptions options = {}) {
    const MemoryBlob blob(bytes);
    return store_->Put(key, blob, *DigestsOf(blob, store_->digest_kinds()),
                       options);
  }
  Result<std::string> Get(std::string_view key, GetOptions options = {}) {
    std::string all;
    FODC_RETURN_IF_ERROR(store_
                             ->Get(key, options,
                                   [&](std::string_view p) {
                                     all += p;
                                     return OkStatus();
                                   })
                             .status());
    return all;
  }
  std::vector<std::string> Asked() const {
    std::vector<std::string> asked;
    for (const ServedRequest& r : server_.requests())
      asked.push_back(StrCat(r.method, " ", r.target));
    return asked;
  }
  static ServedAnswer Error(int status, const std::string& code) {
    return {.status = status,
            .headers = {{"x-ms-request-id", "id-1"}, {"x-ms-error-code", code}},
            .body = StrCat("<Error><Code>", code, "</Code></Error>")};
  }
  static std::string Md5Of(std::string_view bytes) {
    return Base64Of(*DigestsOf(MemoryBlob(bytes), {.md5 = true})->md5);
  }

  ServedAnswer Serve(const ServedRequest& r) {
    const MutexLock lock(mutex_);
    if (before_) {
      if (auto answer = before_(r)) return *std::move(answer);
    }
    if (!r.At("authorization").starts_with("SharedKey account:"))
      return Error(403, "AuthenticationFailed");
    if (!r.body.empty() && r.At("content-md5") != Md5Of(r.body))
      return Error(400, "Md5Mismatch");
    const std::size_t mark = std::min(r.target.find('?'), r.target.size());
    const std::string path = r.target.substr(0, mark);
    const auto query = *net::Query::Parse(
        std::string_view(r.target).substr(std::min(mark + 1, r.target.size())));
    if (query.Get("restype")) {
      if (r.method == "PUT") {
        has_container_ = true;
        return {.status = 201};
      }
      if (!has_container_) return Error(404, "ContainerNotFound");
      return r.method == "HEAD" ? ServedAnswer{} : List(query);
    }
    if (!has_container_) return Error(404, "ContainerNotFound");
    return Blob(r, path, query);
  }

  ServedAnswer Blob(const ServedRequest& r, const std::string& path,
                    const net::Query& query) {
    const std::string comp(query.GetOr("comp"));
    if (comp == "block") {
      blocks_[std::string(query.GetOr("blockid"))] = r.body;
      return {.status = 201};
    }
    const auto it = objects_.find(path);
    if (r.method == "PUT") {
      if (it != objects_.end() && r.At("if-none-match") == "*")
        return Error(409, "BlobAlreadyExists");
      Object object{.meta = r.At("x-ms-meta-checksum_sha256"), .body = r.body};
      if (comp == "blocklist") {
        object.body.clear();
        for (std::size_t at = 0;
             (at = r.body.find("<Latest>", at)) != std::string::npos;) {
          at += 8;
          const auto block =
              blocks_.find(r.body.substr(at, r.body.find('<', at) - at));
          if (block == blocks_.end()) return Error(400, "InvalidBlockList");
          object.body += block->second;
        }
        blocks_.clear();
      } else if (r.At("x-ms-blob-type") != "BlockBlob" &&
                 r.At("x-ms-copy-source").empty()) {
        return Error(400, "InvalidHeaderValue");
      }
      if (const std::string from = r.At("x-ms-copy-source"); !from.empty()) {
        object = objects_[from.substr(server_.origin().size())];
        objects_[path] = object;
        return {.status = 202, .headers = {{"x-ms-copy-status", "pending"}}};
      }
      objects_[path] = object;
      return {.status = 201};
    }
    if (it == objects_.end()) return Error(404, "BlobNotFound");
    if (r.method == "DELETE") {
      objects_.erase(it);
      return {.status = 202};
    }
    ServedAnswer answer{
        .headers = {{"ETag", "\"e\""},
                    {"x-ms-copy-status", "success"},
                    {"x-ms-meta-checksum_sha256", it->second.meta}},
        .body = it->second.body};
    if (const std::string range = r.At("range"); !range.empty()) {
      const auto ends = Split(std::string_view(range).substr(6), '-');
      const std::size_t from = *ParseUint(ends[0]);
      answer.status = 206;
      answer.headers["Content-Range"] =
          StrCat("bytes ", range.substr(6), "/", answer.body.size());
      answer.body = answer.body.substr(
          from, ParseUint(ends[1]).value_or(1u << 20) - from + 1);
    } else if (r.method == "HEAD") {
      answer.headers["Content-Length"] = StrCat(answer.body.size());
    }
    return answer;
  }

  // One object a page.
  ServedAnswer List(const net::Query& query) {
    const std::string prefix = StrCat("/container/", query.GetOr("prefix"));
    auto it = objects_.lower_bound(
        std::max(prefix, StrCat("/container/", query.GetOr("marker"))));
    std::string body = "<EnumerationResults><Blobs>";
    std::string next;
    if (it != objects_.end() && it->first.starts_with(prefix)) {
      body +=
          StrCat("<Blob><Name>", it->first.substr(11),
                 "</Name><Properties><Content-Length>", it->second.body.size(),
                 "</Content-Length></Properties><Metadata>"
                 "<checksum_sha256>",
                 it->second.meta, "</checksum_sha256></Metadata></Blob>");
      if (++it != objects_.end()) next = it->first.substr(11);
    }
    return {.body = StrCat(body, "</Blobs><NextMarker>", next,
                           "</NextMarker></EnumerationResults>")};
  }

  struct Object {
    std::string meta{};
    std::string body{};
  };
  Mutex mutex_;
  std::function<std::optional<ServedAnswer>(const ServedRequest&)> before_;
  bool has_container_ = true;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::string> blocks_;
  StoreServer server_{[this](const ServedRequest& r) { return Serve(r); }};
  Transport transport_{{}};
  std::unique_ptr<AzureStore> store_;
};

TEST_F(AzureStoreTest, PutsInOneRequestAndReadsBack) {
  ASSERT_THAT(Put("dir/a b", "hello"), IsOk());
  ASSERT_EQ(Asked().size(), 1U);
  const ServedRequest put = server_.requests()[0];
  EXPECT_EQ(put.target, "/container/base/dir/a%20b");
  EXPECT_EQ(put.At("content-md5"), "XUFAKrxLKna5cZ2REBfFkg==");
  EXPECT_EQ(put.At("x-ms-meta-checksum_sha256"), Sha256TextOf("hello"));
  EXPECT_EQ(put.At("x-ms-version"), "2021-12-02");
  EXPECT_THAT(Get("dir/a b"), IsOkAndHolds("hello"));
  EXPECT_THAT(Get("dir/a b", {.offset = 1, .bytes = 3}), IsOkAndHolds("ell"));
  const auto info = store_->Head("dir/a b", {});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->bytes, 5U);
  EXPECT_EQ(Sha256Text(info->sha256.value()), Sha256TextOf("hello"));
  EXPECT_THAT(
      Get("none"),
      StatusIs(Code::kNotFound,
               AllOf(HasSubstr("Azure: get none: HTTP 404"),
                     HasSubstr("BlobNotFound"), HasSubstr("(request id-1)"))));
}

TEST_F(AzureStoreTest, ListsAllPages) {
  for (const char* key : {"a", "b", "c"}) ASSERT_THAT(Put(key, key), IsOk());
  std::vector<std::string> keys;
  ListRequest request;
  do {
    const auto page = store_->List(request, {});
    ASSERT_THAT(page, IsOk());
    for (const ObjectInfo& info : page->objects) {
      keys.push_back(info.key);
      EXPECT_EQ(Sha256Text(info.sha256.value()), Sha256TextOf(info.key));
    }
    request.token = page->next_token;
  } while (!request.token.empty());
  EXPECT_THAT(keys, ElementsAre("a", "b", "c"));
}

TEST_F(AzureStoreTest, MakesTheContainerOnlyIfItIsNotThere) {
  EXPECT_THAT(store_->Prepare({}), IsOk());
  EXPECT_THAT(Asked(), ElementsAre("HEAD /container?restype=container"));
  has_container_ = false;
  EXPECT_THAT(store_->Prepare({}), IsOk());
  EXPECT_EQ(Asked().back(), "PUT /container?restype=container");
  EXPECT_TRUE(has_container_);
  has_container_ = false;
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method != "PUT") return {};
    return Error(409, "ContainerAlreadyExists");
  };
  EXPECT_THAT(store_->Prepare({}), IsOk());
}

TEST_F(AzureStoreTest, DeletesWhatIsThereAndNeedsNoMore) {
  ASSERT_THAT(Put("a", "x"), IsOk());
  EXPECT_THAT(store_->Delete({"none", "a"}, {}), IsOk());
  EXPECT_THAT(objects_, IsEmpty());
  has_container_ = false;
  EXPECT_THAT(store_->Delete({"a"}, {}),
              StatusIs(Code::kNotFound, HasSubstr("ContainerNotFound")));
}

TEST_F(AzureStoreTest, CopiesAndWaitsForTheEnd) {
  ASSERT_THAT(Put("a", "x"), IsOk());
  ASSERT_THAT(store_->Copy("a", "b", {}), IsOk());
  EXPECT_THAT(Get("b"), IsOkAndHolds("x"));
}

TEST_F(AzureStoreTest, OnlyIfAbsent) {
  ASSERT_THAT(Put("lease", "mine", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Put("lease", "theirs", {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, _));
  // Done, and the answer was lost.
  bool is_first = true;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method != "PUT" || !std::exchange(is_first, false)) return {};
    objects_["/container/base/other"] = {
        .meta = r.At("x-ms-meta-checksum_sha256"), .body = r.body};
    return ServedAnswer{.cuts = true};
  };
  EXPECT_THAT(Put("other", "mine", {.only_if_absent = true}), IsOk());
}

TEST_F(AzureStoreTest, WhatCameIsComparedWithItsDigest) {
  ASSERT_THAT(Put("a", "hello"), IsOk());
  objects_["/container/base/a"].body = "hellO";
  EXPECT_THAT(Get("a"), StatusIs(Code::kDataLoss, HasSubstr("SHA-256")));
}

TEST_F(AzureStoreTest, TriesAgainWhatMayDo) {
  int asked = 0;
  before_ = [&](const ServedRequest&) -> std::optional<ServedAnswer> {
    if (++asked < 3) return Error(503, "ServerBusy");
    return {};
  };
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_EQ(asked, 3);
  before_ = [](const ServedRequest&) -> std::optional<ServedAnswer> {
    return Error(403, "AuthenticationFailed");
  };
  EXPECT_THAT(Put("a", "x"), StatusIs(Code::kPermissionDenied, _));
}

class AzureBlocksTest : public AzureStoreTest {
 protected:
  void SetUp() override {
    Make({.single_put_bytes = 1000, .block_bytes = 1u << 20});
  }
  const TempDirectory dir_;
  const std::string session_ = dir_.File("session");
  const std::string large_ = std::string((2u << 20) + 5, 'x') + "end";
};

TEST_F(AzureBlocksTest, ALargeOneGoesInBlocks) {
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_EQ(Asked().size(), 4U);
  EXPECT_EQ(Asked().back(), "PUT /container/base/a?comp=blocklist");
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  EXPECT_FALSE(ReadFile(session_).ok());
}

TEST_F(AzureBlocksTest, OneThatIsBrokenOffIsGoneOnWith) {
  int blocks = 0;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.target.find("blockid=") == std::string::npos || ++blocks < 3)
      return {};
    return Error(503, "ServerBusy");
  };
  EXPECT_THAT(Put("a", large_, {.session = session_}),
              StatusIs(Code::kUnavailable, _));
  before_ = nullptr;
  const std::size_t before = Asked().size();
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_EQ(Asked().size(), before + 2);
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  // What the service has forgotten begins anew.
  blocks = 0;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.target.find("blockid=") == std::string::npos || ++blocks < 3)
      return {};
    return Error(503, "ServerBusy");
  };
  EXPECT_FALSE(Put("b", large_, {.session = session_}).ok());
  before_ = nullptr;
  blocks_.clear();
  ASSERT_THAT(Put("b", large_, {.session = session_}), IsOk());
  EXPECT_THAT(Get("b"), IsOkAndHolds(large_));
}

TEST(AzureBlockBytesTest, AreAsFewAsTheServiceTakes) {
  constexpr std::uint64_t kMib = 1u << 20;
  EXPECT_EQ(AzureStore::BlockBytes(16 * kMib, 100 * kMib), 16 * kMib);
  EXPECT_EQ(AzureStore::BlockBytes(16 * kMib, 45'000 * 16 * kMib + 1),
            17 * kMib);
}

}  // namespace
}  // namespace fodc::object_store
