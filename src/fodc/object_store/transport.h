// SPDX-License-Identifier: Apache-2.0
// HTTP to stores: bodies of any size both ways, many requests at a time on
// kept connections.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/object_store/http_request.h"
#include "fodc/object_store/pace.h"

namespace fodc::object_store {

struct HttpAnswer {
  int status = 0;
  HttpHeaders headers{};
  std::string body{};  // what no sink took

  // The first of that name, in any case; empty if there is none.
  std::string_view Header(std::string_view name) const;
};

struct TransferOptions {
  std::stop_token stop{};
  // Gets the body of an answer 2xx, piece by piece, on the transport's thread;
  // a failure ends the transfer. Null: it is kept.
  std::function<Status(std::string_view piece)> sink{};
  // Of a body that is kept.
  std::size_t max_body_bytes = 16u << 20;
};

// One thread of its own does what all callers ask for. Redirects are not
// followed: they would have to be signed anew. Thread-safe.
class Transport {
 public:
  struct Options {
    std::string user_agent = "fodc";
    // "http://host:port"; empty: none but that of the environment.
    std::string proxy{};
    std::string ca_file{};         // PEM; empty: the system's
    std::size_t connections = 64;  // kept
    // Of the bytes of bodies, both ways; null: none. Outlives the transport.
    Pace* bandwidth = nullptr;
  };

  explicit Transport(const Options& options);
  // Nobody may be waiting.
  ~Transport();

  // Waits for the whole answer, whatever its status. The blob of the body is
  // read on the transport's thread.
  //
  // Errors: kCancelled; kUnavailable when there is no answer, or half of one;
  // kDeadlineExceeded when nothing moves for a minute; kFailedPrecondition for
  // a certificate that does not hold; kResourceExhausted for a body beyond its
  // bound; those of `sink` and of the blob.
  Result<HttpAnswer> Perform(const HttpRequest& request,
                             const TransferOptions& options);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::object_store
