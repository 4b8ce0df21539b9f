// SPDX-License-Identifier: Apache-2.0
// A client of the object server for its own tests: one request a connection,
// signed by OpenSSL's own HMAC.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/support/object_server/server.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {

struct Reply {
  int status = 0;  // 0: the connection ended without an answer
  std::string head;
  std::string body;
};

inline std::string Between(const std::string& text, std::string_view from,
                           std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) return {};
  const std::size_t start = at + from.size();
  return text.substr(start, text.find(to, start) - start);
}

inline std::string TestHmac(const std::string& key, std::string_view text) {
  unsigned char out[32];
  unsigned size = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's way
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes,
       text.size(), out, &size);
  return std::string(out, out + size);
}

inline std::string TestSha256(std::string_view text) {
  unsigned char out[32];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, EVP_sha256(), nullptr);
  return Hex(std::string(out, out + size));
}

struct Peer {
  using Headers = std::map<std::string, std::string>;

  std::uint16_t port = 0;
  std::string access_key = "AKIDFODC";
  std::string secret = "secretfodc";
  std::string payload_hash;  // empty: the right one

  Reply Send(const std::string& text) const {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::connect(fd.get(), generic, sizeof address), 0);
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    std::string got;
    char piece[4096];
    for (ssize_t n = 0; (n = ::recv(fd.get(), piece, sizeof piece, 0)) > 0;) {
      got.append(piece, static_cast<std::size_t>(n));
    }
    const std::size_t end = got.find("\r\n\r\n");
    if (end == std::string::npos) return {};
    return {std::stoi(got.substr(9, 3)), got.substr(0, end + 2),
            got.substr(end + 4)};
  }

  Reply Plain(std::string_view method, std::string_view target,
              std::string_view body, const Headers& headers = {}) const {
    std::string text =
        StrCat(method, " ", target, " HTTP/1.1\r\nConnection: close\r\n");
    if (!headers.contains("host")) {
      text += StrCat("host: 127.0.0.1:", port, "\r\n");
    }
    for (const auto& [name, value] : headers) {
      text += StrCat(name, ": ", value, "\r\n");
    }
    if (method == "PUT" || method == "POST" || !body.empty()) {
      text += StrCat("content-length: ", body.size(), "\r\n");
    }
    return Send(StrCat(text, "\r\n", body));
  }

  // `query`: sorted and encoded.
  Reply S3(const std::string& method, const std::string& path,
           const std::string& query, const std::string& body,
           Headers headers = {}) const {
    const std::string date = CompactDate(SystemClock().Unix());
    const std::string hash =
        payload_hash.empty() ? TestSha256(body) : payload_hash;
    headers["host"] = StrCat("127.0.0.1:", port);
    headers["x-amz-date"] = date;
    headers["x-amz-content-sha256"] = hash;
    std::string canonical = StrCat(method, "\n", path, "\n", query, "\n");
    std::string names;
    for (const auto& [name, value] : headers) {
      canonical += StrCat(name, ":", value, "\n");
      names += StrCat(names.empty() ? "" : ";", name);
    }
    canonical += StrCat("\n", names, "\n", hash);
    const std::string day = date.substr(0, 8);
    const std::string scope = day + "/us-east-1/s3/aws4_request";
    const std::string to_sign = StrCat("AWS4-HMAC-SHA256\n", date, "\n", scope,
                                       "\n", TestSha256(canonical));
    std::string key = "AWS4" + secret;
    for (const std::string& part :
         {day, std::string("us-east-1"), std::string("s3"),
          std::string("aws4_request")}) {
      key = TestHmac(key, part);
    }
    headers["authorization"] = StrCat(
        "AWS4-HMAC-SHA256 Credential=", access_key, "/", scope,
        ", SignedHeaders=", names, ", Signature=", Hex(TestHmac(key, to_sign)));
    return Plain(method, query.empty() ? path : StrCat(path, "?", query), body,
                 headers);
  }
};

}  // namespace fodc::object_server
