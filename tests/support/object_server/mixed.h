// SPDX-License-Identifier: Apache-2.0
// Batches: multipart/mixed (RFC 2046) of application/http, as "Batch requests"
// of Google Cloud Storage and "Blob Batch" of Azure have them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

struct MixedPart {
  std::string id;    // "<a+1>" or "0"
  std::string head;  // of a request, with a Host
};

// Errors: kInvalidArgument for what is no such body, has more than `most`
// requests or one twice.
Result<std::vector<MixedPart>> ReadMixed(std::string_view content_type,
                                         std::string_view body,
                                         std::size_t most);

// Answers each by `serve`, the first by call.part_status if that is set.
Response AnswerMixed(const Call& call, Service* service,
                     const std::vector<MixedPart>& parts, bool is_google,
                     const std::function<Response(Call* part)>& serve);

}  // namespace fodc::object_server
