// SPDX-License-Identifier: Apache-2.0
// The personalities that are not S3's.
#include "tests/support/object_server/object_server_peer.h"

namespace fodc::object_server {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<ObjectServer> StartOf(Kind kind, Peer* peer) {
  Options o;
  o.kind = kind;
  auto server = ObjectServer::Start(o);
  EXPECT_TRUE(server.ok());
  peer->port = (*server)->port();
  return std::move(*server);
}

// A request with Shared Key; no header but x-ms-* and If-None-Match.
Reply Azure(const Peer& peer, const std::string& method,
            const std::string& path,
            const std::map<std::string, std::string>& query,
            const std::string& body, Peer::Headers headers = {},
            const std::string& key = "fodc-test-key-0123456789abcdefgh") {
  headers["x-ms-date"] = HttpDate(SystemClock().Unix());
  headers["x-ms-version"] = "2021-12-02";
  std::string text =
      StrCat(method, "\n\n\n", body.empty() ? "" : std::to_string(body.size()),
             "\n\n\n\n\n\n", headers["if-none-match"], "\n\n\n");
  if (headers["if-none-match"].empty()) headers.erase("if-none-match");
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-ms-")) text += StrCat(name, ":", value, "\n");
  }
  text += StrCat("/fodcaccount", path);
  std::string target = path;
  for (const auto& [name, value] : query) {
    text += StrCat("\n", name, ":", value);
    target += StrCat(target == path ? "?" : "&", name, "=",
                     PercentEncode(value, false));
  }
  headers["authorization"] =
      StrCat("SharedKey fodcaccount:", Base64(TestHmac(key, text)));
  return peer.Plain(method, target, body, headers);
}

TEST(AzureServerTest, HoldsBlobsAndBlocksToTheirRules) {
  Peer peer;
  const auto server = StartOf(Kind::kAzure, &peer);
  const std::string blob = "/fodcaccount/bucket/a";
  const Peer::Headers type = {{"x-ms-blob-type", "BlockBlob"}};
  EXPECT_EQ(Azure(peer, "PUT", blob, {}, "x", type, "wrong").status, 403);
  EXPECT_EQ(Azure(peer, "PUT", blob, {}, "x").status, 400);
  EXPECT_EQ(Azure(peer, "PUT", blob, {}, "hello", type).status, 201);
  EXPECT_EQ(Azure(peer, "GET", blob, {}, "").body, "hello");
  EXPECT_THAT(Azure(peer, "PUT", blob, {}, "x",
                    {{"x-ms-blob-type", "BlockBlob"}, {"if-none-match", "*"}})
                  .head,
              HasSubstr("x-ms-error-code: BlobAlreadyExists"));
  const std::string other = "/fodcaccount/bucket/b";
  for (const char* id : {"MDAw", "MDAx"}) {
    EXPECT_EQ(
        Azure(peer, "PUT", other, {{"comp", "block"}, {"blockid", id}}, id)
            .status,
        201);
  }
  EXPECT_THAT(Azure(peer, "PUT", other,
                    {{"comp", "block"}, {"blockid", "MDAwMDAw"}}, "x")
                  .head,
              HasSubstr("InvalidBlobOrBlock"));
  EXPECT_THAT(Azure(peer, "PUT", other, {{"comp", "blocklist"}},
                    "<BlockList><Latest>bm9uZQ==</Latest></BlockList>")
                  .head,
              HasSubstr("InvalidBlockList"));
  EXPECT_EQ(Azure(peer, "PUT", other, {{"comp", "blocklist"}},
                  "<BlockList><Latest>MDAx</Latest><Latest>MDAw</Latest>"
                  "</BlockList>")
                .status,
            201);
  EXPECT_EQ(Azure(peer, "GET", other, {}, "").body, "MDAxMDAw");
  EXPECT_EQ(Azure(peer, "DELETE", other, {}, "").status, 202);
  EXPECT_EQ(Azure(peer, "DELETE", other, {}, "").status, 404);
  EXPECT_THAT(Azure(peer, "GET", "/fodcaccount/none/x", {}, "").head,
              HasSubstr("ContainerNotFound"));
}

TEST(GcsServerTest, HoldsResumableUploadsToTheirRules) {
  Peer peer;
  const auto server = StartOf(Kind::kGcs, &peer);
  const std::string path =
      "/computeMetadata/v1/instance/service-accounts/default/token";
  EXPECT_EQ(peer.Plain("GET", path, "").status, 403);
  const std::string token =
      Between(peer.Plain("GET", path, "", {{"metadata-flavor", "Google"}}).body,
              "access_token\":\"", "\"");
  const Peer::Headers bearer = {{"authorization", "Bearer " + token}};
  EXPECT_EQ(peer.Plain("GET", "/storage/v1/b/bucket/o", "").status, 401);
  const Reply begun =
      peer.Plain("POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable",
                 R"({"name":"r","metadata":{"k":"v"}})", bearer);
  const std::string session = "/upload" + Between(begun.head, "/upload", "\r");
  const std::string chunk(256 * 1024, 'q');
  const auto put = [&](const std::string& bytes, const std::string& range) {
    return peer.Plain("PUT", session, bytes, {{"content-range", range}});
  };
  EXPECT_EQ(put("short", "bytes 0-4/*").status, 400);
  EXPECT_EQ(put(chunk, "bytes 0-262143/*").status, 308);
  EXPECT_THAT(put("", "bytes */*").head, HasSubstr("Range: bytes=0-262143"));
  EXPECT_EQ(put("end", "bytes 7-9/10").status, 400);
  EXPECT_EQ(put("end", "bytes 262144-262146/262147").status, 200);
  EXPECT_EQ(peer.Plain("GET", "/bucket/r", "", bearer).body, chunk + "end");
  const Reply list = peer.Plain(
      "GET", "/storage/v1/b/bucket/o?fields=items(name,metadata)", "", bearer);
  EXPECT_EQ(list.body, R"({"items":[{"metadata":{"k":"v"},"name":"r"}]})");
  Peer::Headers once = bearer;
  once["x-goog-if-generation-match"] = "0";
  EXPECT_EQ(peer.Plain("PUT", "/bucket/r", "x", once).status, 412);
  Peer::Headers wrong = bearer;
  wrong["x-goog-hash"] = "crc32c=AAAAAA==";
  EXPECT_EQ(peer.Plain("PUT", "/bucket/s", "x", wrong).status, 400);
}

}  // namespace
}  // namespace fodc::object_server
