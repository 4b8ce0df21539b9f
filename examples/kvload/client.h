// SPDX-License-Identifier: Apache-2.0
// One connection to the node, blocking: a thread each is honest at the rates of
// this tool, and nothing is shared that could smooth them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "examples/kvload/loads.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace kvload {

struct Answer {
  int status = 0;
  std::string body{};
  std::string next{};  // the header Kvnode-Next, percent-encoded
};

// Not thread-safe.
class Client {
 public:
  // To 127.0.0.1, for this tool is for the machine that it runs on.
  explicit Client(const LoadOptions& options)
      : port_(static_cast<std::uint16_t>(options.port)),
        from_(options.from),
        timeout_(std::chrono::duration_cast<std::chrono::milliseconds>(
            options.timeout)) {}

  // One request, on the connection that is open or on a new one.
  // Errors: kUnavailable when refused or cut, kDeadlineExceeded; it is not
  // known then whether the node did it.
  fodc::Result<Answer> Do(std::string_view method, std::string_view target,
                          std::string_view body = {});

  // The same in pieces, for those who hold a body back: the head with the
  // length of the body, pieces of the body, the answer. Errors: as Do.
  fodc::Status Begin(std::string_view method, std::string_view target,
                     std::uint64_t body_bytes);
  fodc::Status SendBody(std::string_view piece);
  fodc::Result<Answer> ReadAnswer();
  // Whether the node has answered or left before it was asked to.
  bool HasAnswer() const;

 private:
  fodc::Status Connect();
  fodc::Status Send(std::string_view bytes);
  // More bytes into in_.
  fodc::Status Receive();

  const std::uint16_t port_;
  const std::string from_;
  const std::chrono::milliseconds timeout_;  // of each system call
  fodc::UniqueFd fd_;
  std::string in_;
};

}  // namespace kvload
