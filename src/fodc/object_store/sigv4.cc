// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <ctime>
#include <map>

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

struct Words {
  std::string_view algorithm;
  std::string_view key_prefix;
  std::string_view end;
  const char* date_header;
};
constexpr Words kAws = {"AWS4-HMAC-SHA256", "AWS4", "aws4_request",
                        "X-Amz-Date"};
constexpr Words kGoogle = {"GOOG4-HMAC-SHA256", "GOOG4", "goog4_request",
                           "X-Goog-Date"};

// "20130524T000000Z".
std::string BasicTime(UnixTime at) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch())
          .count();
  std::tm parts{};
  FODC_CHECK(::gmtime_r(&seconds, &parts) != nullptr);
  char text[32];
  const std::size_t n =
      std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return {text, n};
}

std::string_view View(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string OneBlank(std::string_view value) {
  std::string out;
  for (const char c : Trim(value)) {
    if (c == ' ' && out.ends_with(' ')) continue;
    out.push_back(c);
  }
  return out;
}

}  // namespace

Sha256 HmacSha256(std::string_view key, std::string_view text) {
  Sha256 out;
  unsigned length = out.size();
  FODC_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(text.data()),
                  text.size(), out.data(), &length) != nullptr);
  return out;
}

void SignV4(const SigV4Key& key, const SigV4Scope& scope, UnixTime at,
            std::string_view payload, HttpRequest* request) {
  const Words& words = scope.dialect == SigV4Dialect::kAws ? kAws : kGoogle;
  const std::string time = BasicTime(at);
  const std::string date = time.substr(0, 8);
  request->headers.emplace_back("Host", HostOf(request->origin));
  request->headers.emplace_back(words.date_header, time);
  if (!key.session_token.empty())
    request->headers.emplace_back("X-Amz-Security-Token", key.session_token);

  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request->headers) {
    std::string& all = headers[ToLower(name)];
    all += StrCat(all.empty() ? "" : ",", OneBlank(value));
  }
  std::string lines;
  std::string names;
  for (const auto& [name, value] : headers) {
    lines += StrCat(name, ":", value, "\n");
    names += StrCat(names.empty() ? "" : ";", name);
  }
  const std::string canonical = StrCat(request->method, "\n", request->path,
                                       "\n", EncodeQuery(request->query), "\n",
                                       lines, "\n", names, "\n", payload);
  const std::string place =
      StrCat(date, "/", scope.region, "/", scope.service, "/", words.end);
  const std::string text = StrCat(words.algorithm, "\n", time, "\n", place,
                                  "\n", Sha256TextOf(canonical));
  Sha256 signing = HmacSha256(StrCat(words.key_prefix, key.secret), date);
  for (const std::string_view word :
       {std::string_view(scope.region), std::string_view(scope.service),
        words.end}) {
    signing = HmacSha256(View(signing), word);
  }
  request->headers.emplace_back(
      "Authorization",
      StrCat(words.algorithm, " Credential=", key.access_key, "/", place,
             ", SignedHeaders=", names,
             ", Signature=", Sha256Text(HmacSha256(View(signing), text))));
}

}  // namespace fodc::object_store
