// SPDX-License-Identifier: Apache-2.0
// An object read over HTTP, gone on with where the connection broke, and
// checked when it was read whole: what is common to all stores behind HTTP.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "fodc/object_store/http_request.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

struct GetCalls {
  std::string_view store;  // for errors
  // A GET with these headers ("Range", "If-Match").
  std::function<Result<HttpAnswer>(HttpHeaders headers,
                                   const TransferOptions& transfer)>
      ask;
  std::function<ObjectInfo(const HttpAnswer& answer)> info_of;
  std::function<Result<ObjectInfo>()> head;
};

// As ObjectStore::Get.
Result<ObjectInfo> GetResumed(std::string_view key, const GetOptions& options,
                              const ByteSink& sink, const GetCalls& calls);

// The bytes of the whole object, of an answer's Content-Length or
// Content-Range.
std::uint64_t BytesOfAnswer(const HttpAnswer& answer);

}  // namespace fodc::object_store
