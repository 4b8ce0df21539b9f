// SPDX-License-Identifier: Apache-2.0
// The proxy: fleet, link server, HTTP API and own metrics on one loop.
#pragma once

#include <cstdint>
#include <memory>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/unique_function.h"
#include "fodc/program/own_metrics.h"
#include "fodc/proxy/options.h"

namespace fodc::proxy {

// Belongs to the loop's thread.
class Proxy {
 public:
  // Listens on both ports. `loop` must outlive it.
  // Errors: those of listening, naming the flag and the address.
  static Result<std::unique_ptr<Proxy>> Start(net::EventLoop& loop,
                                              const ProxyOptions& options);
  // Cuts what is open.
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Says goodbye to agents, takes nothing new, lets answers and streams end
  // until the shutdown timeout, then calls `done`.
  void Stop(net::Task done);

  int grpc_port() const;
  std::uint16_t http_port() const;
  const program::OwnMetrics& metrics() const;

 private:
  struct Impl;
  explicit Proxy(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::proxy
