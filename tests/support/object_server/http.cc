// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/http.h"

#include <algorithm>

#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

bool TokenCharacter(char c) {
  return c > ' ' && c < 127 &&
         std::string_view("\"(),/:;<=>?@[\\]{}").find(c) ==
             std::string_view::npos;
}

Status ParseHeaderLine(std::string_view line, Request* r) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 ||
      !std::all_of(line.begin(), line.begin() + static_cast<long>(colon),
                   TokenCharacter)) {
    return InvalidArgument("not a header line");
  }
  const Header h{line.substr(0, colon), Trim(line.substr(colon + 1))};
  if (std::any_of(h.value.begin(), h.value.end(), [](char c) {
        return (c >= 0 && c < ' ' && c != '\t') || c == 127;
      })) {
    return InvalidArgument("a control character in a header");
  }
  r->headers.push_back(h);
  if (EqualsIgnoreCase(h.name, "content-length")) {
    const auto length = ParseUint(h.value);
    if (!length || r->content_length) {
      return InvalidArgument("Content-Length is wrong or twice there");
    }
    r->content_length = length;
  } else if (EqualsIgnoreCase(h.name, "transfer-encoding")) {
    r->chunked = true;
  } else if (EqualsIgnoreCase(h.name, "connection")) {
    if (EqualsIgnoreCase(h.value, "close")) r->keep_alive = false;
  } else if (EqualsIgnoreCase(h.name, "expect")) {
    r->expects_continue = EqualsIgnoreCase(h.value, "100-continue");
  }
  return Status();
}

}  // namespace

std::string_view Request::Get(std::string_view name) const {
  for (const Header& h : headers) {
    if (EqualsIgnoreCase(h.name, name)) return h.value;
  }
  return {};
}

bool Request::Has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(), [&](const Header& h) {
    return EqualsIgnoreCase(h.name, name);
  });
}

const Parameter* Request::Find(std::string_view name) const {
  for (const Parameter& p : parameters) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

std::string_view Request::Value(std::string_view name) const {
  const Parameter* p = Find(name);
  return p == nullptr ? std::string_view() : std::string_view(p->value);
}

void ParseQuery(std::string_view query, std::vector<Parameter>* out) {
  out->clear();
  if (query.empty()) return;
  for (const std::string_view piece : Split(query, '&')) {
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    Parameter p;
    p.name = PercentDecode(piece.substr(0, equals), true);
    if (equals != std::string_view::npos) {
      p.has_value = true;
      p.value = PercentDecode(piece.substr(equals + 1), true);
    }
    out->push_back(std::move(p));
  }
}

Status ParseHead(std::string_view head, Request* r) {
  r->headers.clear();
  r->content_length.reset();
  r->keep_alive = true;
  r->expects_continue = r->chunked = false;
  const std::size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second == first ||
      line.substr(second + 1) != "HTTP/1.1") {
    return InvalidArgument("not an HTTP/1.1 request line");
  }
  r->method = line.substr(0, first);
  r->target = line.substr(first + 1, second - first - 1);
  if (r->target.empty() || r->target[0] != '/' ||
      std::any_of(r->target.begin(), r->target.end(),
                  [](char c) { return c <= ' ' || c == 127 || c == '#'; })) {
    return InvalidArgument("bad request target");
  }
  const std::size_t mark = r->target.find('?');
  r->path = r->target.substr(0, mark);
  r->query = mark == std::string_view::npos ? std::string_view()
                                            : r->target.substr(mark + 1);
  ParseQuery(r->query, &r->parameters);
  for (std::size_t at = end + 2; at + 2 < head.size();) {
    const std::size_t stop = head.find("\r\n", at);
    FODC_RETURN_IF_ERROR(ParseHeaderLine(head.substr(at, stop - at), r));
    at = stop + 2;
  }
  if (r->Get("host").empty()) return InvalidArgument("no Host");
  if (r->chunked && r->content_length) {
    return InvalidArgument("both Content-Length and Transfer-Encoding");
  }
  return Status();
}

void Response::Add(std::string_view name, std::string_view value) {
  headers.append(name);
  headers.append(": ");
  headers.append(value);
  headers.append("\r\n");
}

std::uint64_t Response::ContentLength() const {
  if (head_length) return *head_length;
  return has_content ? length : body.size();
}

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 308:
      return "Resume Incomplete";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 416:
      return "Range Not Satisfiable";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Other";
  }
}

std::optional<ByteRange> ParseRange(std::string_view header,
                                    std::uint64_t size) {
  const ByteRange whole{0, size, false};
  if (!ConsumePrefix(&header, "bytes=")) return whole;
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos ||
      header.find(',') != std::string_view::npos) {
    return whole;
  }
  const auto first = ParseUint(header.substr(0, dash));
  const auto last = ParseUint(header.substr(dash + 1));
  if (dash == 0) {
    if (!last) return whole;
    if (*last == 0 || size == 0) return std::nullopt;
    const std::uint64_t n = std::min(*last, size);
    return ByteRange{size - n, n, true};
  }
  if (!first || (!last && dash + 1 != header.size())) return whole;
  if (last && *last < *first) return whole;
  if (*first >= size) return std::nullopt;
  const std::uint64_t stop = last ? std::min(*last, size - 1) : size - 1;
  return ByteRange{*first, stop - *first + 1, true};
}

void AnswerRange(const ByteRange& range, const Content& content,
                 Response* response) {
  response->content = content;
  response->has_content = true;
  response->offset = range.first;
  response->length = range.length;
  if (!range.partial) return;
  response->status = 206;
  response->Add("Content-Range",
                StrCat("bytes ", range.first, "-",
                       range.first + range.length - 1, "/", content.size()));
}

}  // namespace fodc::object_server
