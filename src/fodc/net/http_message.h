// SPDX-License-Identifier: Apache-2.0
// What an HTTP handler gets and what it gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/content_coding.h"
#include "fodc/net/unique_function.h"
#include "fodc/net/url.h"

namespace fodc::net {

struct HttpRequest {
  std::string method{};
  std::string path{};   // as it came, still encoded, canonical
  std::string route{};  // the pattern that matched
  Query query{};
  // One value for each `{placeholder}` of the route, decoded, in order.
  std::vector<std::string> path_values{};
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::string peer_address{};  // "127.0.0.1", "::1", without the port
  bool peer_is_loopback = false;
  // What the response will be coded in unless it says otherwise.
  ContentCoding coding = ContentCoding::kIdentity;
  // Whether Accept-Encoding takes gzip at all, for bodies kept compressed.
  bool accepts_gzip = false;
  // What the server's HttpGate took for it; given back when the last holder of
  // the request lets it go.
  std::shared_ptr<void> held{};

  // The first header of this name, without regard to case; "" if none.
  std::string_view Header(std::string_view name) const;
};

enum class BodyStep : std::uint8_t {
  kMore,  // `piece` holds bytes; ask again when they are written
  kDone,  // `piece` holds the last bytes, or none
  kWait,  // nothing now; ask again after `wake`
};

// A response body that is pulled piece by piece, on the loop's thread. It is
// destroyed as soon as the response is complete or the client is gone.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Called once, before the first Next. `wake` may be called at any later time
  // on the loop's thread, also after the source is gone.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): others keep it
  virtual void Start(std::function<void()> /*wake*/) {}
  // Appends about `max_bytes` (at most 4 times that) to the empty `*piece`.
  // It must return within a few milliseconds: others share the thread.
  // A failure cuts the connection, so that the client sees the truncation.
  virtual Result<BodyStep> Next(std::string* piece, std::size_t max_bytes) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type{};
  std::vector<std::pair<std::string, std::string>> headers{};  // further ones

  // The body: one of the three.
  std::string body{};
  std::shared_ptr<const std::string> shared_body{};  // one text for many
  std::unique_ptr<BodySource> source{};              // sent in chunks
  // How much `source` gives, if that is known: the body then has a
  // Content-Length in place of chunks. It needs `may_compress` off. A source
  // that gives more or less cuts the connection.
  std::optional<std::uint64_t> source_bytes{};

  // What the body's bytes are already coded in. Other than identity, they are
  // sent as they are: the handler has looked at the request's coding.
  ContentCoding coded_as = ContentCoding::kIdentity;
  // Whether the server may compress an identity body.
  bool may_compress = true;
  // Whether the connection ends behind the answer, whatever the client wants:
  // for those who are sent away. After more than a few of them within a second
  // or two, new connections are taken one by one, a millisecond apart.
  bool close = false;
};

// `message` and a line feed, text/plain, nosniff.
HttpResponse TextError(int status, std::string_view message);
// 400 for kInvalidArgument, 404 for kNotFound, 503 for kUnavailable, ...; the
// message is the status's.
HttpResponse StatusError(const Status& status);
HttpResponse TextResponse(std::string body);  // text/plain; charset=utf-8
HttpResponse JsonResponse(std::string body);  // application/json

}  // namespace fodc::net
