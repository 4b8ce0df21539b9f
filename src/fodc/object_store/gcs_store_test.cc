// SPDX-License-Identifier: Apache-2.0
// Against a small server in this process.
#include "fodc/object_store/gcs_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/net/url.h"
#include "fodc/object_store/gcs_json.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GcsStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Make({}); }
  void Make(GcsOptions options) {
    options.location = {.kind = StoreKind::kGcs,
                        .bucket = "bucket",
                        .base = "base",
                        .endpoint = server_.origin()};
    options.token = [this](bool renew,
                           const std::stop_token&) -> Result<std::string> {
      renewed_ += renew;
      return StrCat("token", renewed_.load());
    };
    options.client.retry = {.base = 1ms, .most = 2ms, .attempts = 3};
    store_ = std::make_unique<GcsStore>(std::move(options), transport_,
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
  static ServedAnswer Error(int status, const std::string& reason) {
    return {.status = status,
            .headers = {{"x-guploader-uploadid", "id-1"}},
            .body = json{{"error",
                          {{"code", status},
                           {"message", reason},
                           {"errors", {{{"reason", reason}}}}}}}
                        .dump()};
  }
  static std::string Crc(std::string_view bytes) {
    return Crc32cText(*DigestsOf(MemoryBlob(bytes), {.crc32c = true})->crc32c);
  }
  static std::string Decoded(std::string_view text) {
    return net::PercentDecode(text).value_or("?");
  }

  struct Object {
    std::string meta{};
    std::string body{};
  };
  struct Session {
    std::string name{};
    std::string meta{};
    std::string body{};
    bool only_if_absent = false;
  };

  ServedAnswer Serve(const ServedRequest& r) {
    const MutexLock lock(mutex_);
    if (before_) {
      if (auto answer = before_(r)) return *std::move(answer);
    }
    const std::size_t mark = std::min(r.target.find('?'), r.target.size());
    const std::string path = r.target.substr(0, mark);
    const auto query = *net::Query::Parse(
        std::string_view(r.target).substr(std::min(mark + 1, r.target.size())));
    if (r.At("authorization") != StrCat("Bearer token", renewed_.load()))
      return Error(401, "authError");
    if (path.starts_with("/upload/")) return Upload(r, query);
    constexpr std::string_view kJson = "/storage/v1/b/bucket/o";
    if (path == kJson) return List(query);
    if (path.starts_with(kJson))
      return ByJson(r, std::string_view(path).substr(kJson.size() + 1));
    return ByXml(r, Decoded(std::string_view(path).substr(8)));
  }

  ServedAnswer ByXml(const ServedRequest& r, const std::string& name) {
    const auto it = objects_.find(name);
    if (r.method == "PUT") {
      if (r.At("x-goog-hash") != "crc32c=" + Crc(r.body))
        return {.status = 400, .body = "<Error><Code>BadDigest</Code></Error>"};
      if (r.At("x-goog-if-generation-match") == "0" && it != objects_.end())
        return {.status = 412,
                .body = "<Error><Code>PreconditionFailed</Code></Error>"};
      objects_[name] = {.meta = r.At("x-goog-meta-checksum_sha256"),
                        .body = r.body};
      return {};
    }
    if (it == objects_.end())
      return {.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"};
    ServedAnswer answer{
        .headers = {{"ETag", "\"e\""},
                    {"x-goog-hash", "crc32c=" + Crc(it->second.body)},
                    {"x-goog-meta-checksum_sha256", it->second.meta}},
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

  static json JsonOf(const std::string& name, const Object& object) {
    return {{"name", name},
            {"size", StrCat(object.body.size())},
            {"crc32c", Crc(object.body)},
            {"metadata", {{"checksum_sha256", object.meta}}}};
  }
  ServedAnswer ByJson(const ServedRequest& r, std::string_view rest) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string name = Decoded(rest.substr(0, slash));
    const auto it = objects_.find(name);
    if (it == objects_.end()) return Error(404, "notFound");
    if (r.method == "DELETE") {
      objects_.erase(it);
      return {.status = 204};
    }
    if (r.method == "GET") return {.body = JsonOf(name, it->second).dump()};
    // A rewrite, in two steps.
    if (r.target.find("rewriteToken") == std::string::npos)
      return {.body = R"({"done":false,"rewriteToken":"t"})"};
    const std::string_view target = rest.substr(rest.rfind('/') + 1);
    objects_[Decoded(target.substr(0, target.find('?')))] = it->second;
    return {.body = R"({"done":true})"};
  }

  // One object a page.
  ServedAnswer List(const net::Query& query) {
    const std::string prefix(query.GetOr("prefix"));
    auto it = objects_.lower_bound(
        std::max(prefix, std::string(query.GetOr("pageToken"))));
    json page = json::object();
    if (it != objects_.end() && it->first.starts_with(prefix)) {
      page["items"] = {JsonOf(it->first, it->second)};
      if (++it != objects_.end()) page["nextPageToken"] = it->first;
    }
    return {.body = page.dump()};
  }

  ServedAnswer Upload(const ServedRequest& r, const net::Query& query) {
    const std::string id(query.GetOr("upload_id"));
    if (r.method == "POST") {
      const json object = json::parse(r.body);
      const std::string next = StrCat("s/", sessions_.size());
      sessions_[next] = {
          .name = object["name"],
          .meta = object["metadata"]["checksum_sha256"],
          .only_if_absent = query.GetOr("ifGenerationMatch") == "0"};
      return {.headers = {{"Location", StrCat(server_.origin(),
                                              "/upload/storage/v1/b/bucket/o?"
                                              "uploadType=resumable&upload_id=",
                                              net::PercentEncode(next))}}};
    }
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return Error(404, "notFound");
    Session& session = it->second;
    const std::string range = r.At("content-range");
    const std::uint64_t total =
        *ParseUint(std::string_view(range).substr(range.rfind('/') + 1));
    if (!r.body.empty()) {
      const std::uint64_t from =
          *ParseUint(Split(std::string_view(range).substr(6), '-')[0]);
      const bool is_last = from + r.body.size() == total;
      if (from != session.body.size() ||
          (!is_last && r.body.size() % (256u << 10) != 0)) {
        return Error(400, "invalid");
      }
      session.body += r.body.substr(0, r.body.size() - lost_);
      if (std::exchange(lost_, 0) != 0) return {.cuts = true};
    }
    if (session.body.size() < total) {
      ServedAnswer answer{.status = 308};
      if (!session.body.empty())
        answer.headers["Range"] = StrCat("bytes=0-", session.body.size() - 1);
      return answer;
    }
    if (session.only_if_absent && objects_.contains(session.name))
      return Error(412, "conditionNotMet");
    objects_[session.name] = {.meta = session.meta, .body = session.body};
    return {.body = JsonOf(session.name, objects_[session.name]).dump()};
  }

  Mutex mutex_;
  std::function<std::optional<ServedAnswer>(const ServedRequest&)> before_;
  std::map<std::string, Object> objects_;
  std::map<std::string, Session> sessions_;
  std::size_t lost_ = 0;  // bytes at the end of the next chunk
  std::atomic<int> renewed_ = 0;
  StoreServer server_{[this](const ServedRequest& r) { return Serve(r); }};
  Transport transport_{{}};
  std::unique_ptr<GcsStore> store_;
};

TEST_F(GcsStoreTest, PutsInOneRequestAndReadsBack) {
  ASSERT_THAT(Put("dir/a b", "hello"), IsOk());
  EXPECT_THAT(Asked(), ElementsAre("PUT /bucket/base/dir/a%20b"));
  EXPECT_THAT(Get("dir/a b"), IsOkAndHolds("hello"));
  EXPECT_THAT(Get("dir/a b", {.offset = 1, .bytes = 3}), IsOkAndHolds("ell"));
  const auto info = store_->Head("dir/a b", {});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->key, "dir/a b");
  EXPECT_EQ(info->bytes, 5U);
  EXPECT_EQ(Sha256Text(info->sha256.value()), Sha256TextOf("hello"));
  EXPECT_THAT(Asked().back(),
              HasSubstr("/storage/v1/b/bucket/o/base%2Fdir%2Fa%20b?fields="));
  EXPECT_THAT(Get("none"), StatusIs(Code::kNotFound,
                                    AllOf(HasSubstr("GCS: get none: HTTP 404"),
                                          HasSubstr("NoSuchKey"))));
  EXPECT_THAT(store_->Head("none", {}),
              StatusIs(Code::kNotFound, HasSubstr("(request id-1)")));
}

TEST_F(GcsStoreTest, ListsAllPages) {
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

TEST_F(GcsStoreTest, DeletesAndCopies) {
  ASSERT_THAT(Put("a/b", "x"), IsOk());
  ASSERT_THAT(store_->Copy("a/b", "c/d", {}), IsOk());
  EXPECT_THAT(Get("c/d"), IsOkAndHolds("x"));
  EXPECT_THAT(store_->Delete({"none", "a/b", "c/d"}, {}), IsOk());
  EXPECT_THAT(objects_, IsEmpty());
  before_ = [](const ServedRequest&) -> std::optional<ServedAnswer> {
    return Error(404, "The specified bucket does not exist.");
  };
  EXPECT_THAT(store_->Delete({"a"}, {}), StatusIs(Code::kNotFound, _));
}

TEST_F(GcsStoreTest, OnlyIfAbsent) {
  ASSERT_THAT(Put("lease", "mine", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Put("lease", "theirs", {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, _));
  // Done, and the answer was lost.
  bool is_first = true;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method != "PUT" || !std::exchange(is_first, false)) return {};
    objects_["base/other"] = {.meta = r.At("x-goog-meta-checksum_sha256"),
                              .body = r.body};
    return ServedAnswer{.cuts = true};
  };
  EXPECT_THAT(Put("other", "mine", {.only_if_absent = true}), IsOk());
}

TEST_F(GcsStoreTest, TriesAgainWhatMayDo) {
  int asked = 0;
  before_ = [&](const ServedRequest&) -> std::optional<ServedAnswer> {
    if (++asked < 3) return Error(503, "backendError");
    return {};
  };
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_EQ(asked, 3);
  asked = 0;
  before_ = [&](const ServedRequest&) -> std::optional<ServedAnswer> {
    if (++asked == 1) return Error(401, "authError");
    return {};
  };
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_EQ(renewed_, 1);
}

TEST_F(GcsStoreTest, WhatCameIsComparedWithItsDigest) {
  ASSERT_THAT(Put("a", "hello"), IsOk());
  objects_["base/a"].body = "hellO";
  EXPECT_THAT(Get("a"), StatusIs(Code::kDataLoss, HasSubstr("SHA-256")));
}

class GcsChunksTest : public GcsStoreTest {
 protected:
  void SetUp() override {
    Make({.single_put_bytes = 1000, .chunk_bytes = 1u << 20});
  }
  const TempDirectory dir_;
  const std::string session_ = dir_.File("session");
  const std::string large_ = std::string((2u << 20) + 5, 'x') + "end";
};

TEST_F(GcsChunksTest, ALargeOneGoesInChunks) {
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_THAT(Asked(), SizeIs(4));
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  EXPECT_FALSE(ReadFile(session_).ok());
  EXPECT_THAT(Put("a", "new" + large_, {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, _));
}

TEST_F(GcsChunksTest, OfAChunkThatBrokeOffTheServiceMayHaveAPart) {
  lost_ = 1000;
  ASSERT_THAT(Put("a", large_), IsOk());
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
}

TEST_F(GcsChunksTest, OneThatIsBrokenOffIsGoneOnWith) {
  const auto breaks =
      [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.At("content-range").find("1048576-") == std::string::npos &&
        r.At("content-range").find('*') == std::string::npos) {
      return {};
    }
    return Error(503, "backendError");
  };
  before_ = breaks;
  EXPECT_THAT(Put("a", large_, {.session = session_}),
              StatusIs(Code::kUnavailable, _));
  before_ = nullptr;
  const std::size_t before = Asked().size();
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_EQ(Asked().size(), before + 3) << "how far it is, and two chunks";
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  // One that the service has forgotten begins anew.
  before_ = breaks;
  EXPECT_FALSE(Put("b", large_, {.session = session_}).ok());
  before_ = nullptr;
  sessions_.clear();
  ASSERT_THAT(Put("b", large_, {.session = session_}), IsOk());
  EXPECT_THAT(Get("b"), IsOkAndHolds(large_));
}

TEST_F(GcsChunksTest, AServiceThatTakesNothingIsGivenUp) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.At("content-range").empty()) return {};
    return ServedAnswer{.status = 308};
  };
  EXPECT_THAT(Put("a", large_),
              StatusIs(Code::kUnavailable, HasSubstr("takes no more")));
}

}  // namespace
}  // namespace fodc::object_store
