// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/1.x request (RFC 9112), strictly: what is not surely well
// formed is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fodc::guard {

inline constexpr std::size_t kMaxRequestHeadBytes = 8 * 1024;
inline constexpr std::size_t kMaxRequestHeaders = 64;
inline constexpr std::size_t kMaxRequestBodyBytes = 64 * 1024;

struct HttpRequest {
  bool is_post = false;
  bool is_http_1_0 = false;  // knows no chunks
  std::string path;          // as sent, without the query
  std::string query;         // after '?'
  std::string authorization;
  std::size_t body_bytes = 0;
};

// 200, or the status to answer with: 400, 405, 411, 413, 431, 501, 505.
// `head` is all up to and with the empty line.
int ParseHttpRequest(std::string_view head, HttpRequest* out);

// "Not Found" for 404.
std::string_view HttpStatusText(int status);

}  // namespace fodc::guard
