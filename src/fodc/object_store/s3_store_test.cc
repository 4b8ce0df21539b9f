// SPDX-License-Identifier: Apache-2.0
// Against a small server in this process; one that checks signatures as AWS
// does is another matter.
#include "fodc/object_store/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/net/url.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Objects by path; parts of one upload. `before` may answer instead.
class S3StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Make({}); }
  void Make(S3Options options) {
    options.location = {.kind = options.dialect == SigV4Dialect::kAws
                                    ? StoreKind::kS3
                                    : StoreKind::kGcs,
                        .bucket = "bucket",
                        .base = "base",
                        .endpoint = server_.origin()};
    options.credentials = [this](bool renew,
                                 const std::stop_token&) -> Result<SigV4Key> {
      renewed_ += renew;
      return SigV4Key{.access_key = "A", .secret = "S"};
    };
    options.client.retry = {.base = 1ms, .most = 2ms, .attempts = 3};
    store_ = std::make_unique<S3Store>(std::move(options), transport_,
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
    FODC_ASSIGN_OR_RETURN(const ObjectInfo info,
                          store_->Get(key, options, [&](std::string_view p) {
                            all += p;
                            return OkStatus();
                          }));
    EXPECT_EQ(info.key, key);
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
            .headers = {{"x-amz-request-id", "id-1"}},
            .body = StrCat("<Error><Code>", code, "</Code></Error>")};
  }

  ServedAnswer Serve(const ServedRequest& r) {
    const MutexLock lock(mutex_);
    if (before_) {
      if (auto answer = before_(r)) return *std::move(answer);
    }
    if (!r.At("authorization").starts_with("AWS4-HMAC-SHA256 Credential=A/"))
      return Error(403, "AccessDenied");
    // What is said of the body is true.
    const std::string digest =
        Sha256Text(DigestsOf(MemoryBlob(r.body), {})->sha256);
    if (r.At("x-amz-content-sha256") != digest)
      return Error(400, "XAmzContentSHA256Mismatch");
    const std::size_t mark = std::min(r.target.find('?'), r.target.size());
    const std::string path = r.target.substr(0, mark);
    const auto query = *net::Query::Parse(
        std::string_view(r.target).substr(std::min(mark + 1, r.target.size())));
    if (r.method == "GET" && query.Get("list-type")) return List(query);
    if (r.method == "POST" && query.Get("delete")) return Delete(r.body);
    if (r.method == "POST" && query.Get("uploads")) {
      parts_.clear();
      upload_meta_ = r.At("x-amz-meta-checksum-sha256");
      return {.body = StrCat("<InitiateMultipartUploadResult><UploadId>u",
                             ++uploads_,
                             "</UploadId></InitiateMultipartUploadResult>")};
    }
    if (const auto id = query.Get("uploadId")) {
      if (*id != StrCat("u", uploads_)) return Error(404, "NoSuchUpload");
      if (r.method == "DELETE") return {.status = 204};
      if (r.method == "PUT") {
        const auto number = *ParseUint(query.GetOr("partNumber"));
        parts_[static_cast<int>(number)] = r.body;
        return {.headers = {{"ETag", StrCat("\"e", number, "\"")}}};
      }
      Object& object = objects_[path];
      object = {.meta = upload_meta_};
      for (const auto& [number, body] : parts_) object.body += body;
      return {.body =
                  "<CompleteMultipartUploadResult><ETag>x</ETag>"
                  "</CompleteMultipartUploadResult>"};
    }
    const auto it = objects_.find(path);
    if (r.method == "PUT") {
      if (r.headers.contains("if-none-match") && it != objects_.end())
        return Error(412, "PreconditionFailed");
      std::string body = r.body;
      if (const std::string from = r.At("x-amz-copy-source"); !from.empty())
        body = objects_[from].body;
      objects_[path] = {.body = std::move(body),
                        .meta = r.At("x-amz-meta-checksum-sha256")};
      return {};
    }
    if (it == objects_.end()) return Error(404, "NoSuchKey");
    ServedAnswer answer{
        .headers = {{"ETag", "\"e\""},
                    {"x-amz-meta-checksum-sha256", it->second.meta}},
        .body = it->second.body};
    if (const std::string range = r.At("range"); !range.empty()) {
      const auto ends = Split(std::string_view(range).substr(6), '-');
      const std::size_t from = *ParseUint(ends[0]);
      const std::size_t to =
          ParseUint(ends[1]).value_or(answer.body.size() - 1);
      answer.status = 206;
      answer.headers["Content-Range"] =
          StrCat("bytes ", from, "-", to, "/", answer.body.size());
      answer.body = answer.body.substr(from, to - from + 1);
    }
    if (r.method == "HEAD")
      answer.headers["Content-Length"] = StrCat(answer.body.size());
    return answer;
  }

  struct Object {
    std::string body{};
    std::string meta{};
  };

  ServedAnswer List(const net::Query& query) {
    std::string xml = "<ListBucketResult><EncodingType>url</EncodingType>";
    const std::string token(query.GetOr("continuation-token"));
    int left = 2;  // on a page
    std::string last;
    for (const auto& [path, object] : objects_) {
      const std::string key = path.substr(8);  // behind "/bucket/"
      if (!key.starts_with(net::PercentEncode(query.GetOr("prefix"))) &&
          !key.starts_with(query.GetOr("prefix"))) {
        continue;
      }
      if (key <= token) continue;
      if (left-- == 0) {
        return {.body = StrCat(xml, "<IsTruncated>true</IsTruncated>",
                               "<NextContinuationToken>", last,
                               "</NextContinuationToken></ListBucketResult>")};
      }
      xml += StrCat("<Contents><Key>", key, "</Key><Size>", object.body.size(),
                    "</Size></Contents>");
      last = key;
    }
    return {.body = xml + "</ListBucketResult>"};
  }
  ServedAnswer Delete(std::string_view xml) {
    std::string errors;
    while (xml.find("<Key>") != xml.npos) {
      xml.remove_prefix(xml.find("<Key>") + 5);
      const std::string key(xml.substr(0, xml.find('<')));
      if (key == "base/locked") {
        errors +=
            "<Error><Key>base/locked</Key><Code>AccessDenied</Code>"
            "<Message>held</Message></Error>";
      } else {
        objects_.erase("/bucket/" + EncodeKey(key));
      }
    }
    return {.body = StrCat("<DeleteResult>", errors, "</DeleteResult>")};
  }

  mutable Mutex mutex_;
  std::map<std::string, Object> objects_;
  std::map<int, std::string> parts_;
  std::string upload_meta_;
  int uploads_ = 0;
  int renewed_ = 0;
  std::function<std::optional<ServedAnswer>(const ServedRequest&)> before_;
  const StoreServer server_{
      [this](const ServedRequest& r) { return Serve(r); }};
  Transport transport_{{}};
  std::unique_ptr<S3Store> store_;
};

// One of them goes with the object; the signature is of SHA-256 all the same.
TEST_F(S3StoreTest, SendsTheChecksumThatIsAskedFor) {
  Make({.checksum = S3Checksum::kCrc32});
  ASSERT_THAT(Put("k", "123456789"), IsOk());
  EXPECT_EQ(server_.requests().back().At("x-amz-checksum-crc32"), "y/Q5Jg==");
  Make({.checksum = S3Checksum::kNone});
  ASSERT_THAT(Put("k", "123456789"), IsOk());
  const ServedRequest last = server_.requests().back();
  for (const auto& [name, value] : last.headers)
    EXPECT_FALSE(name.starts_with("x-amz-checksum")) << name << value;
  EXPECT_THAT(Get("k"), IsOkAndHolds("123456789"));
}

TEST_F(S3StoreTest, SpeaksGooglesDialect) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method == "GET")
      return ServedAnswer{.headers = {{"x-goog-meta-checksum_sha256",
                                       Sha256TextOf("123456789")}},
                          .body = "123456788"};
    return ServedAnswer{};
  };
  Make({.dialect = SigV4Dialect::kGoogle});
  EXPECT_EQ(store_->name(), "gs://bucket/base");
  ASSERT_THAT(Put("k", "123456789", {.only_if_absent = true}), IsOk());
  const ServedRequest put = server_.requests().back();
  EXPECT_EQ(put.target, "/bucket/base/k");
  EXPECT_THAT(put.At("authorization"),
              HasSubstr("GOOG4-HMAC-SHA256 Credential=A/"));
  EXPECT_THAT(put.At("authorization"),
              HasSubstr("/auto/storage/goog4_request, SignedHeaders="));
  EXPECT_EQ(put.At("x-goog-hash"), "crc32c=4waSgw==");
  EXPECT_EQ(put.At("x-goog-meta-checksum_sha256"), Sha256TextOf("123456789"));
  EXPECT_EQ(put.At("x-goog-content-sha256"), Sha256TextOf("123456789"));
  EXPECT_EQ(put.At("x-goog-if-generation-match"), "0");
  for (const auto& [name, value] : put.headers)
    EXPECT_FALSE(name.starts_with("x-amz-")) << name << value;
  // What came is not what its digest says.
  EXPECT_THAT(Get("k"), StatusIs(Code::kDataLoss, _));
  ASSERT_THAT(store_->Delete({"k", "l"}, {}), IsOk());
  EXPECT_EQ(Asked().back(), "DELETE /bucket/base/l");
}

TEST_F(S3StoreTest, PutsInOneRequestWithItsDigests) {
  ASSERT_THAT(Put("day/a b", "hello"), IsOk());
  const auto requests = server_.requests();
  ASSERT_THAT(requests, SizeIs(1));
  const ServedRequest& r = requests[0];
  EXPECT_EQ(r.target, "/bucket/base/day/a%20b");
  EXPECT_EQ(r.At("x-amz-meta-checksum-sha256"),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(r.At("x-amz-checksum-sha256"),
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  EXPECT_EQ(r.At("content-length"), "5");
  EXPECT_THAT(Get("day/a b"), IsOkAndHolds("hello"));
  EXPECT_THAT(Get("day/a b", {.offset = 1, .bytes = 3}), IsOkAndHolds("ell"));
  EXPECT_THAT(Get("day/a b", {.offset = 3}), IsOkAndHolds("lo"));
  const auto info = store_->Head("day/a b", {});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->bytes, 5u);
  EXPECT_TRUE(info->sha256);
}

TEST_F(S3StoreTest, SaysWhatIsWrong) {
  EXPECT_THAT(Get("none"),
              StatusIs(Code::kNotFound,
                       "S3: get none: HTTP 404 NoSuchKey (request id-1)"));
  EXPECT_THAT(store_->Head("none", {}), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Put("../x", ""), StatusIs(Code::kInvalidArgument, _));
  ASSERT_THAT(Put("a", "1", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Put("a", "2", {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, _));
  EXPECT_THAT(Get("a"), IsOkAndHolds("1"));
}

TEST_F(S3StoreTest, SaysWhatIsArchived) {
  before_ = [](const ServedRequest&) -> std::optional<ServedAnswer> {
    return ServedAnswer{
        .status = 403,
        .body =
            "<Error><Code>InvalidObjectState</Code><Message>not now"
            "</Message><StorageClass>DEEP_ARCHIVE</StorageClass></Error>"};
  };
  EXPECT_THAT(Get("a"),
              StatusIs(Code::kPermissionDenied,
                       AllOf(HasSubstr("get a: HTTP 403 InvalidObjectState"),
                             HasSubstr("not now"), HasSubstr("DEEP_ARCHIVE"),
                             HasSubstr("restore-object"))));
}

TEST_F(S3StoreTest, ListsPageByPage) {
  for (const char* key : {"d/a", "d/b", "d/c", "d/e", "f"})
    ASSERT_THAT(Put(key, key), IsOk());
  std::vector<std::string> keys;
  ListRequest request{.prefix = "d/"};
  do {
    const auto page = store_->List(request, {});
    ASSERT_THAT(page, IsOk());
    for (const ObjectInfo& o : page->objects) keys.push_back(o.key);
    request.token = page->next_token;
  } while (!request.token.empty());
  EXPECT_THAT(keys, ElementsAre("d/a", "d/b", "d/c", "d/e"));
}

TEST_F(S3StoreTest, DeletesManyAtOnceAndTellsWhatStays) {
  for (const char* key : {"a", "b&<", "locked"})
    ASSERT_THAT(Put(key, key), IsOk());
  EXPECT_THAT(store_->Delete({"a", "locked", "none"}, {}),
              StatusIs(Code::kPermissionDenied,
                       HasSubstr("base/locked: AccessDenied: held")));
  EXPECT_THAT(Get("a"), StatusIs(Code::kNotFound, _));
  EXPECT_EQ(server_.requests()[3].At("content-md5").size(), 24u);
}

TEST_F(S3StoreTest, CopiesWithinTheStore) {
  ASSERT_THAT(Put("a b", "x"), IsOk());
  ASSERT_THAT(store_->Copy("a b", "c", {}), IsOk());
  EXPECT_EQ(server_.requests()[1].At("x-amz-copy-source"),
            "/bucket/base/a%20b");
}

TEST_F(S3StoreTest, WhatIsDamagedIsNotGiven) {
  ASSERT_THAT(Put("a", "hello"), IsOk());
  {
    const MutexLock lock(mutex_);
    objects_["/bucket/base/a"].body = "jello";
  }
  EXPECT_THAT(Get("a"), StatusIs(Code::kDataLoss, HasSubstr("SHA-256")));
}

TEST_F(S3StoreTest, ADownloadThatBreaksIsGoneOnWith) {
  const std::string large(3'000'000, 'x');
  ASSERT_THAT(Put("a", large), IsOk());
  int breaks = 0;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method != "GET" || breaks++ > 0) return {};
    return ServedAnswer{
        .raw = StrCat("HTTP/1.1 200 X\r\nContent-Length: ", large.size(),
                      "\r\nETag: \"e\"\r\n\r\n", large.substr(0, 1'000'000))};
  };
  EXPECT_THAT(Get("a"), IsOkAndHolds(large));
  EXPECT_TRUE(server_.requests().back().At("range").starts_with("bytes="));
  EXPECT_EQ(server_.requests().back().At("if-match"), "\"e\"");
}

TEST_F(S3StoreTest, ABucketElsewhereIsFound) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.At("authorization").find("/eu-west-1/s3/") != std::string::npos)
      return {};
    return ServedAnswer{
        .status = 301,
        .headers = {{"x-amz-bucket-region", "eu-west-1"}},
        .body = "<Error><Code>PermanentRedirect</Code></Error>"};
  };
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_THAT(Put("b", "x"), IsOk());
  EXPECT_THAT(server_.requests(), SizeIs(3));
}

TEST_F(S3StoreTest, ExpiredCredentialsAreRenewed) {
  bool is_first = true;
  before_ = [&](const ServedRequest&) -> std::optional<ServedAnswer> {
    if (!std::exchange(is_first, false)) return {};
    return Error(400, "ExpiredToken");
  };
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_EQ(renewed_, 1);
}

class S3PartsTest : public S3StoreTest {
 protected:
  void SetUp() override {
    Make({.single_put_bytes = 1000, .part_bytes = 1u << 20});
  }
  const TempDirectory dir_;
  const std::string session_ = dir_.File("session");
  const std::string large_ = std::string((2u << 20) + 5, 'x') + "end";
};

TEST_F(S3PartsTest, ALargeOneGoesInParts) {
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_THAT(Asked(),
              ElementsAre("POST /bucket/base/a?uploads=",
                          "PUT /bucket/base/a?partNumber=1&uploadId=u1",
                          "PUT /bucket/base/a?partNumber=2&uploadId=u1",
                          "PUT /bucket/base/a?partNumber=3&uploadId=u1",
                          "POST /bucket/base/a?uploadId=u1"));
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  EXPECT_FALSE(ReadFile(session_).ok());
}

TEST_F(S3PartsTest, OneThatIsBrokenOffIsGoneOnWith) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.target.find("partNumber=3") == std::string::npos) return {};
    return Error(503, "SlowDown");
  };
  EXPECT_THAT(Put("a", large_, {.session = session_}),
              StatusIs(Code::kUnavailable, _));
  before_ = nullptr;
  const std::size_t before = Asked().size();
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  const auto asked = Asked();
  EXPECT_THAT(
      std::vector<std::string>(
          asked.begin() + static_cast<std::ptrdiff_t>(before), asked.end()),
      ElementsAre("PUT /bucket/base/a?partNumber=3&uploadId=u1",
                  "POST /bucket/base/a?uploadId=u1"));
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
}

TEST_F(S3PartsTest, OneThatTheStoreForgotBeginsAnew) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.target.find("partNumber=2") == std::string::npos) return {};
    return Error(503, "SlowDown");
  };
  EXPECT_FALSE(Put("a", large_, {.session = session_}).ok());
  before_ = nullptr;
  {
    const MutexLock lock(mutex_);
    ++uploads_;  // "u1" is no more
  }
  ASSERT_THAT(Put("a", large_, {.session = session_}), IsOk());
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_));
  // Of other bytes it is not gone on with, either.
  ASSERT_THAT(WriteFileAtomically(session_, "{\"key\":7}"), IsOk());
  ASSERT_THAT(Put("a", large_ + "!", {.session = session_}), IsOk());
  EXPECT_THAT(Get("a"), IsOkAndHolds(large_ + "!"));
}

TEST_F(S3PartsTest, OneThatFailsLeavesNoParts) {
  before_ = [](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.target.find("partNumber=2") == std::string::npos) return {};
    return Error(403, "AccessDenied");
  };
  EXPECT_THAT(Put("a", large_), StatusIs(Code::kPermissionDenied, _));
  EXPECT_EQ(Asked().back(), "DELETE /bucket/base/a?uploadId=u1");
}

TEST_F(S3PartsTest, AGoodAnswerWithAnErrorIsNone) {
  int asked = 0;
  before_ = [&](const ServedRequest& r) -> std::optional<ServedAnswer> {
    if (r.method != "POST" || r.target.find("uploadId") == std::string::npos ||
        ++asked > 1) {
      return {};
    }
    return ServedAnswer{.body = "<Error><Code>InternalError</Code></Error>"};
  };
  ASSERT_THAT(Put("a", large_), IsOk());
  EXPECT_EQ(asked, 2);
}

TEST(S3PartBytesTest, AreAsFewAsTheServiceTakes) {
  constexpr std::uint64_t kMib = 1u << 20;
  EXPECT_EQ(S3Store::PartBytes(16 * kMib, 100 * kMib), 16 * kMib);
  EXPECT_EQ(S3Store::PartBytes(16 * kMib, 9000 * 16 * kMib), 16 * kMib);
  EXPECT_EQ(S3Store::PartBytes(16 * kMib, 9000 * 16 * kMib + 1), 17 * kMib);
}

}  // namespace
}  // namespace fodc::object_store
