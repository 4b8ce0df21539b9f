// SPDX-License-Identifier: Apache-2.0
// Every HTTP request that a program makes: deadlines, limits, kept
// connections.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/unique_function.h"

namespace fodc::net {

struct HttpClientRequest {
  // http:// or https://. Proxies of the environment are not used.
  std::string url{};
  std::vector<std::pair<std::string, std::string>> headers{};
  // For everything: name, connect, headers, body. Must be positive.
  std::chrono::milliseconds deadline{5'000};
  // Of the body, on the wire and after decoding alike.
  std::size_t max_body_bytes = 16u << 20;
  // Ask for gzip (and zstd).
  bool accept_compressed = true;
  // POST, with an empty body, instead of GET.
  bool is_post = false;
  // When set, it gets the decoded body piece by piece on the client's thread
  // instead of the result, for a status of 200..299 only; a failure ends the
  // request with that status.
  UniqueFunction<Status(std::string_view piece)> sink{};
};

struct HttpClientResult {
  // Whether an answer came whole, whatever its code:
  //   kUnavailable         refused, unreachable, reset, unknown name
  //   kDeadlineExceeded    the deadline, wherever it struck
  //   kResourceExhausted   beyond max_body_bytes, or max_in_flight
  //   kDataLoss            cut short, bad gzip, not HTTP
  //   kFailedPrecondition  a redirect: its Location is named, not followed
  //   kInvalidArgument     a bad URL
  //   kCancelled           Cancel, or the client's end
  Status status{};
  int http_status = 0;  // 0: none came
  std::string content_type{};
  std::string body{};            // what came of it, also after a failure
  std::uint64_t wire_bytes = 0;  // of the body, before decoding
  std::uint64_t body_bytes = 0;  // after
  std::chrono::nanoseconds duration{0};
  std::string url{};  // without user and password; so is every status
};

// Thread-safe.
class HttpClient {
 public:
  struct Options {
    std::size_t max_in_flight = 1024;  // refused beyond, kResourceExhausted
    long max_connections_per_endpoint = 4;  // further requests wait
    long max_idle_connections = 256;
    std::string user_agent = "fodc";
  };
  struct Stats {
    std::uint64_t in_flight = 0;  // now
    std::uint64_t requests = 0;
    std::uint64_t refused = 0;  // at max_in_flight
    std::uint64_t failed = 0;
    std::uint64_t connections = 0;  // made
    std::uint64_t wire_bytes = 0;
    std::uint64_t body_bytes = 0;
  };
  using Id = std::uint64_t;
  // Called once per request, on the client's thread: it must not block and
  // should post the result to its loop.
  using Done = UniqueFunction<void(HttpClientResult)>;

  // Starts the thread: libcurl resolves, decodes and hands over bodies of many
  // megabytes, which the loop must not wait for.
  HttpClient();
  explicit HttpClient(Options options);
  // Cancels what is in flight (each `done` is called), then joins. Not from a
  // `done`.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends the request, a POST if it says so.
  Id Get(HttpClientRequest request, Done done);
  // Its `done` gets kCancelled unless it has been called already.
  void Cancel(Id id);

  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Waits for one answer. For tools and tests; never on a loop's thread.
HttpClientResult GetAndWait(HttpClient& client, HttpClientRequest request);

}  // namespace fodc::net
