// SPDX-License-Identifier: Apache-2.0
// The request as it came and the answer as it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "tests/support/object_server/content.h"

namespace fodc::object_server {

struct Header {
  std::string_view name;   // as sent
  std::string_view value;  // trimmed
};

struct Parameter {
  std::string name;   // decoded
  std::string value;  // decoded
  bool has_value = false;
};

// The head of a request. Views are of the text that it was parsed from.
struct Request {
  std::string_view method;
  std::string_view target;
  std::string_view path;   // not decoded
  std::string_view query;  // not decoded, without the `?`
  std::vector<Header> headers;
  std::vector<Parameter> parameters;
  std::optional<std::uint64_t> content_length;
  bool keep_alive = true;
  bool expects_continue = false;
  bool chunked = false;

  // The first of that name, in any case; empty if there is none.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  // Null if it is not in the query.
  const Parameter* Find(std::string_view name) const;
  std::string_view Value(std::string_view name) const;
};

// `head` includes the empty line, and stays where it is while the request is
// used. Errors: kInvalidArgument for what RFC 9112 forbids.
Status ParseHead(std::string_view head, Request* request);
void ParseQuery(std::string_view query, std::vector<Parameter>* out);

struct Response {
  int status = 200;
  std::string headers;  // "Name: value\r\n" each
  std::string body;
  std::string content_type;
  // Instead of `body`: a range of what is stored.
  Content content;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool has_content = false;
  // The answer to HEAD: Content-Length without a body.
  std::optional<std::uint64_t> head_length;
  std::string code;  // the vendor's, for the log

  void Add(std::string_view name, std::string_view value);
  std::uint64_t ContentLength() const;
};

std::string_view ReasonOf(int status);

// A Range header against a size.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
  bool partial = false;
};
// A header that is absent or not understood gives the whole. Nothing if no
// byte of it is there (416).
std::optional<ByteRange> ParseRange(std::string_view header,
                                    std::uint64_t size);
// Puts the range of `content` into the answer, with status and Content-Range.
void AnswerRange(const ByteRange& range, const Content& content,
                 Response* response);

}  // namespace fodc::object_server
