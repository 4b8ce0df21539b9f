// SPDX-License-Identifier: Apache-2.0
// An object store of S3's, Google's or Azure's kind, strict on purpose and
// unreliable on demand. See README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "fodc/base/status.h"
#include "tests/support/object_server/options.h"

namespace fodc::object_server {

// Listens on 127.0.0.1 and serves on one thread of its own, without waiting in
// it: connections cost memory, not threads. What a test wants to know or
// change goes over HTTP, as everything.
class ObjectServer {
 public:
  // Errors: kInvalidArgument for options that do not fit together, kUnavailable
  // if the port is taken.
  static Result<std::unique_ptr<ObjectServer>> Start(Options options);
  // Ends open connections.
  ~ObjectServer();
  ObjectServer(const ObjectServer&) = delete;
  ObjectServer& operator=(const ObjectServer&) = delete;

  std::uint16_t port() const;

 private:
  struct Impl;
  explicit ObjectServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::object_server
