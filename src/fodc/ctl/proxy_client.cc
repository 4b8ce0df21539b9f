// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/proxy_client.h"

#include <algorithm>
#include <optional>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::ctl {
namespace {

// Answers of a fleet are large, and a tool for people has the memory.
constexpr std::size_t kMaxBodyBytes = std::size_t{4} << 30;
// Nobody holds those: what the largest capsule may have.
constexpr std::size_t kMaxStreamBytes = std::size_t{16} << 30;
constexpr std::size_t kMaxErrorTextBytes = 500;

std::string Encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
        c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
  return out;
}

// What to tell the user about an answer that is none.
Status Explain(const net::HttpClientResult& result, const std::string& asked) {
  const std::string url = net::WithoutUserInfo(asked);
  if (!result.status.ok()) {
    const bool refused = result.status.code() == Code::kUnavailable;
    Status s = result.status;
    if (s.message().find(url) == std::string::npos) s = s.WithContext(url);
    return refused ? Status(s.code(), s.message() +
                                          " (is the proxy running there? "
                                          "--proxy or FODC_PROXY names it)")
                   : s;
  }
  if (result.http_status >= 200 && result.http_status < 300) return OkStatus();
  std::string_view text = Trim(result.body);
  text = text.substr(0, kMaxErrorTextBytes);
  const std::string message =
      StrCat("the proxy answered ", result.http_status, " to ", url,
             text.empty() ? "" : ": ", text);
  return {
      result.http_status >= 500 ? Code::kUnavailable : Code::kInvalidArgument,
      message};
}

net::HttpClientRequest MakeRequest(const std::string& url,
                                   std::chrono::nanoseconds timeout) {
  net::HttpClientRequest request;
  request.url = url;
  request.deadline =
      std::max(std::chrono::ceil<std::chrono::milliseconds>(timeout),
               std::chrono::milliseconds(1));
  request.max_body_bytes = kMaxBodyBytes;
  return request;
}

}  // namespace

std::string BuildUrl(
    const ProxyQuery& query, std::string_view path,
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string url = query.url + std::string(path);
  char separator = '?';
  const auto add = [&](std::string_view key, std::string_view value) {
    url += StrCat(separator, Encode(key), "=", Encode(value));
    separator = '&';
  };
  if (!query.role.empty()) add("role", query.role);
  if (!query.pod_name.empty()) add("pod_name", query.pod_name);
  for (const auto& [key, value] : parameters) add(key, value);
  return url;
}

std::string BuildPath(std::span<const std::string_view> pieces) {
  std::string path;
  for (const std::string_view piece : pieces)
    path += StrCat("/", Encode(piece));
  return path;
}

ProxyClient::ProxyClient()
    : client_([] {
        net::HttpClient::Options options;
        options.user_agent = "fodcctl";
        return options;
      }()) {}

Result<std::string> ProxyClient::Get(const std::string& url,
                                     std::chrono::nanoseconds timeout) {
  net::HttpClientResult result =
      net::GetAndWait(client_, MakeRequest(url, timeout));
  FODC_RETURN_IF_ERROR(Explain(result, url));
  return std::move(result.body);
}

Result<std::string> ProxyClient::Post(const std::string& url,
                                      std::chrono::nanoseconds timeout) {
  net::HttpClientRequest request = MakeRequest(url, timeout);
  request.is_post = true;
  net::HttpClientResult result = net::GetAndWait(client_, std::move(request));
  FODC_RETURN_IF_ERROR(Explain(result, url));
  return std::move(result.body);
}

Status ProxyClient::Stream(const std::string& url,
                           std::chrono::nanoseconds timeout,
                           std::function<Status(std::string_view)> sink) {
  net::HttpClientRequest request = MakeRequest(url, timeout);
  request.max_body_bytes = kMaxStreamBytes;
  Status failed;  // of the sink: it says more than the client's
  request.sink = [&failed, sink = std::move(sink)](std::string_view piece) {
    failed = sink(piece);
    return failed;
  };
  const net::HttpClientResult result =
      net::GetAndWait(client_, std::move(request));
  FODC_RETURN_IF_ERROR(failed);
  return Explain(result, url);
}

}  // namespace fodc::ctl
