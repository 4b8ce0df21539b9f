// SPDX-License-Identifier: Apache-2.0
#include "http_request.h"

#include <algorithm>
#include <optional>

#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

bool IsTokenChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

bool IsFieldChar(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

int ParseRequestLine(std::string_view line, HttpRequest* out) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(method)) return 400;
  if (target.empty() || target[0] != '/' ||
      !std::all_of(target.begin(), target.end(),
                   [](char c) { return c > ' ' && c < '\x7f'; })) {
    return 400;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return version.starts_with("HTTP/") ? 505 : 400;
  }
  if (method != "GET" && method != "POST") return 405;
  out->is_post = method == "POST";
  out->is_http_1_0 = version == "HTTP/1.0";
  const std::size_t query = std::min(target.find('?'), target.size());
  out->path = target.substr(0, query);
  out->query = target.substr(std::min(query + 1, target.size()));
  return 200;
}

}  // namespace

int ParseHttpRequest(std::string_view head, HttpRequest* out) {
  std::size_t end = head.find(kLineEnd);
  if (end == std::string_view::npos) return 400;
  if (const int status = ParseRequestLine(head.substr(0, end), out);
      status != 200) {
    return status;
  }
  std::optional<std::uint64_t> length;
  std::size_t hosts = 0;
  std::size_t headers = 0;
  for (;;) {
    head.remove_prefix(end + kLineEnd.size());
    end = head.find(kLineEnd);
    if (end == std::string_view::npos) return 400;
    const std::string_view line = head.substr(0, end);
    if (line.empty()) break;
    if (++headers > kMaxRequestHeaders) return 431;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)) ||
        !std::all_of(line.begin(), line.end(), IsFieldChar)) {
      return 400;
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (EqualsIgnoreCase(name, "host")) ++hosts;
    if (EqualsIgnoreCase(name, "transfer-encoding")) return 501;
    if (EqualsIgnoreCase(name, "authorization")) {
      if (!out->authorization.empty()) return 400;
      out->authorization = value;
    }
    if (EqualsIgnoreCase(name, "content-length")) {
      if (length) return 400;
      length = ParseUint(value);
      if (!length) return 400;
    }
  }
  if (head.size() != kLineEnd.size()) return 400;
  if (hosts > 1 || (hosts == 0 && !out->is_http_1_0)) return 400;
  if (out->is_post && !length) return 411;
  const std::uint64_t body = length.value_or(0);
  if (body > (out->is_post ? kMaxRequestBodyBytes : 0)) return 413;
  out->body_bytes = static_cast<std::size_t>(body);
  return 200;
}

std::string_view HttpStatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace fodc::guard
