// SPDX-License-Identifier: Apache-2.0
// Many requests in the body of one, and their answers in that of its answer:
// multipart/mixed of application/http, as Google and Azure have it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/http_request.h"

namespace fodc::object_store {

struct BatchAnswer {
  int status = 0;  // 0: it has none
  HttpHeaders headers{};
  std::string body{};
};

// The Content-Type of WriteBatch's bodies.
std::string_view BatchContentType();
// Requests without bodies, and without origins. The id of each is its place in
// the row, behind `id_before` and before `id_after`.
std::string WriteBatch(const std::vector<HttpRequest>& requests,
                       std::string_view id_before, std::string_view id_after);
// Of so many requests, in their order; the number at the end of an id says
// whose an answer is. Errors: kDataLoss for what is no such body.
Result<std::vector<BatchAnswer>> ReadBatch(std::string_view content_type,
                                           std::string_view body,
                                           std::size_t requests);

}  // namespace fodc::object_store
