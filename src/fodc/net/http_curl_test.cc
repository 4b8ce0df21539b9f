// SPDX-License-Identifier: Apache-2.0
// Our server against libcurl with libcurl's own decoders: a client that is not
// ours.
#include <curl/curl.h>
#include <gmock/gmock.h>

#include <thread>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/net/compression.h"
#include "fodc/net/http_server.h"
#include "tests/support/gzip.h"

namespace fodc::net {
namespace {

std::size_t Append(char* data, std::size_t, std::size_t n, void* out) {
  static_cast<std::string*>(out)->append(data, n);
  return n;
}

// Gives a part of the text a thousand times over.
class Repeat final : public BodySource {
 public:
  explicit Repeat(std::string part) : part_(std::move(part)) {}
  Result<BodyStep> Next(std::string* piece, std::size_t max) override {
    while (n_ < 1000 && piece->size() < max) {
      piece->append(part_);
      ++n_;
    }
    return n_ < 1000 ? BodyStep::kMore : BodyStep::kDone;
  }

 private:
  std::string part_;
  int n_ = 0;
};

TEST(LibcurlTest, DecodesStreamsAndJoinedParts) {
  std::string part;
  for (int i = 0; i < 100; ++i)
    part += StrCat("m{i=\"", i, "\"} ", i * i, '\n');
  std::string whole;
  for (int i = 0; i < 1000; ++i) whole += part;

  EventLoop loop(SystemClock());
  HttpServer server(loop);
  server.Route("/stream", Access::kViewer, [&](const HttpRequest&) {
    HttpResponse r;
    r.source = std::make_unique<Repeat>(part);
    return r;
  });
  server.Route("/kept", Access::kViewer, [&](const HttpRequest& request) {
    EXPECT_TRUE(request.accepts_gzip);
    HttpResponse r;
    r.coded_as = ContentCoding::kGzip;
    r.body = test::Gzip(whole);
    return r;
  });
  ASSERT_THAT(server.Listen("127.0.0.1:0"), IsOk());
  std::jthread thread([&] { loop.Run(); });

  CURL* curl = curl_easy_init();
  const struct {
    const char* path;
    const char* encoding;
  } cases[] = {{"/stream", "gzip"},
               {"/stream", "zstd"},
               {"/stream", "identity"},
               {"/kept", "gzip"}};
  for (const auto& c : cases) {
    std::string body;
    const std::string url = StrCat("http://127.0.0.1:", server.port(), c.path);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, c.encoding);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    EXPECT_EQ(curl_easy_perform(curl), CURLE_OK) << c.path << c.encoding;
    EXPECT_TRUE(body == whole) << c.path << " " << c.encoding;
    curl_off_t wire = 0;
    curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    if (c.encoding != std::string_view("identity")) {
      EXPECT_LT(wire, static_cast<curl_off_t>(whole.size() / 2));
    }
  }
  curl_easy_cleanup(curl);
  loop.Stop();
}

}  // namespace
}  // namespace fodc::net
