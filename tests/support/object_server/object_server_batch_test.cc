// SPDX-License-Identifier: Apache-2.0
// Tokens of Azure, and batches: what is not as the documentation has it is
// refused.
#include "fodc/base/status_matchers.h"
#include "tests/support/object_server/object_server_peer.h"

namespace fodc::object_server {
namespace {

using ::testing::HasSubstr;

constexpr char kMachine[] =
    "/metadata/identity/oauth2/token?api-version=2018-02-01"
    "&resource=https%3A%2F%2Fstorage.azure.com%2F";
constexpr char kContainer[] = "/fodcaccount/bucket";

class BatchTest : public ::testing::Test {
 protected:
  void Start(Kind kind) {
    Options options;
    options.kind = kind;
    auto server = ObjectServer::Start(options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    peer_.port = server_->port();
  }
  Peer::Headers AzureBearer() const {
    const Reply reply =
        peer_.Plain("GET", kMachine, "", {{"metadata", "true"}});
    return {{"authorization",
             "Bearer " + Between(reply.body, "access_token\":\"", "\"")},
            {"x-ms-version", "2021-12-02"},
            {"x-ms-date", HttpDate(SystemClock().Unix())}};
  }
  static std::string Part(const std::string& id, const std::string& request) {
    return StrCat("--b\r\nContent-Type: application/http\r\nContent-ID: ", id,
                  "\r\n\r\n", request, "\r\n");
  }
  Reply Post(const std::string& target, const std::string& body,
             Peer::Headers headers,
             const std::string& type = "multipart/mixed; boundary=b") const {
    headers["content-type"] = type;
    return peer_.Plain("POST", target, body, headers);
  }

  std::unique_ptr<ObjectServer> server_;
  Peer peer_;
};

TEST_F(BatchTest, TokensOfAzureAreGivenAndTakenStrictly) {
  Start(Kind::kAzure);
  const auto status = [this](const std::string& target,
                             const Peer::Headers& headers) {
    return peer_.Plain("GET", target, "", headers).status;
  };
  const Peer::Headers metadata = {{"metadata", "true"}};
  EXPECT_EQ(status(kMachine, metadata), 200);
  EXPECT_EQ(status(kMachine, {}), 400);
  EXPECT_EQ(status(StrCat(kMachine, "&client_id=other"), metadata), 400);
  EXPECT_EQ(status("/metadata/identity/oauth2/token?api-version=2018-02-01",
                   metadata),
            400);
  EXPECT_EQ(status("/msi/token?api-version=2019-08-01"
                   "&resource=https%3A%2F%2Fstorage.azure.com%2F",
                   {{"x-identity-header", "other"}}),
            401);
  const std::string list = StrCat(kContainer, "?restype=container&comp=list");
  Peer::Headers bearer = AzureBearer();
  EXPECT_EQ(status(list, bearer), 200);
  EXPECT_EQ(status(list + "&sig=x", bearer), 403);
  for (const char* name : {"x-ms-version", "x-ms-date"}) {
    Peer::Headers less = bearer;
    less.erase(name);
    EXPECT_EQ(status(list, less), 403) << name;
  }
  bearer["authorization"] += "x";
  EXPECT_EQ(status(list, bearer), 401);
}

TEST_F(BatchTest, OfAzureAreDeletesOfOneContainer) {
  Start(Kind::kAzure);
  const Peer::Headers bearer = AzureBearer();
  const std::string batch = StrCat(kContainer, "?restype=container&comp=batch");
  const std::string head = StrCat(
      " HTTP/1.1\r\nAuthorization: ", bearer.at("authorization"), "\r\n");
  Peer::Headers put = bearer;
  put["x-ms-blob-type"] = "BlockBlob";
  for (const char* name : {"/a", "/b"})
    EXPECT_EQ(peer_.Plain("PUT", StrCat(kContainer, name), "x", put).status,
              201);
  const std::string one = Part("0", StrCat("DELETE ", kContainer, "/a", head));
  const Reply reply =
      Post(batch,
           one + Part("1", StrCat("DELETE ", kContainer, "/c", head)) +
               Part("2", StrCat("DELETE /fodcaccount/other/b", head)) +
               Part("3", StrCat("DELETE ", kContainer, "/b HTTP/1.1\r\n")) +
               Part("4", StrCat("DELETE ", kContainer, "/b", head,
                                "x-ms-version: 2021-12-02\r\n")) +
               Part("5", StrCat("GET ", kContainer, "/b", head)) + "--b--\r\n",
           bearer);
  EXPECT_EQ(reply.status, 202);
  for (const char* answer :
       {"ID: 0\r\n\r\nHTTP/1.1 202", "ID: 1\r\n\r\nHTTP/1.1 404",
        "ID: 2\r\n\r\nHTTP/1.1 400", "ID: 3\r\n\r\nHTTP/1.1 401",
        "ID: 4\r\n\r\nHTTP/1.1 400", "ID: 5\r\n\r\nHTTP/1.1 400"}) {
    EXPECT_THAT(reply.body, HasSubstr(answer));
  }
  EXPECT_EQ(peer_.Plain("GET", StrCat(kContainer, "/b"), "", bearer).status,
            200);
  EXPECT_EQ(Post(batch, one + "--b--\r\n", {}).status, 401);
  EXPECT_EQ(Post(batch, one + one + "--b--\r\n", bearer).status, 400);
  EXPECT_EQ(Post(batch, one, bearer).status, 400);
  EXPECT_EQ(Post(batch, one + "--b--\r\n", bearer, "text/plain").status, 400);
  std::string many;
  for (int i = 0; i < 257; ++i)
    many += Part(StrCat(i), StrCat("DELETE ", kContainer, "/c", head));
  EXPECT_EQ(Post(batch, many + "--b--\r\n", bearer).status, 400);
}

TEST_F(BatchTest, OfGoogleHaveTheBatchsToken) {
  Start(Kind::kGcs);
  const std::string token = Between(
      peer_
          .Plain("GET",
                 "/computeMetadata/v1/instance/service-accounts/default/token",
                 "", {{"metadata-flavor", "Google"}})
          .body,
      "access_token\":\"", "\"");
  const Peer::Headers bearer = {{"authorization", "Bearer " + token}};
  EXPECT_EQ(peer_.Plain("PUT", "/bucket/a", "x", bearer).status, 200);
  const std::string path = "DELETE /storage/v1/b/bucket/o/";
  const std::string body =
      Part("<x+0>", path + "a HTTP/1.1\r\n") +
      Part("<x+1>", path + "b HTTP/1.1\r\n") +
      Part("<x+2>", path + "b HTTP/1.1\r\nAuthorization: Bearer no\r\n") +
      Part("<x+3>", "GET /storage/v1/b/bucket/o HTTP/1.1\r\n") + "--b--\r\n";
  EXPECT_EQ(Post("/batch/storage/v1", body, {}).status, 401);
  const Reply reply = Post("/batch/storage/v1", body, bearer);
  EXPECT_EQ(reply.status, 200);
  for (const char* answer : {"<response-x+0>\r\n\r\nHTTP/1.1 204",
                             "<response-x+1>\r\n\r\nHTTP/1.1 404",
                             "<response-x+2>\r\n\r\nHTTP/1.1 401",
                             "<response-x+3>\r\n\r\nHTTP/1.1 501"}) {
    EXPECT_THAT(reply.body, HasSubstr(answer));
  }
}

}  // namespace
}  // namespace fodc::object_server
