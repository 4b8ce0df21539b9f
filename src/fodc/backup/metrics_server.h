// SPDX-License-Identifier: Apache-2.0
// Serves /metrics and /healthz beside what a command does.
#pragma once

#include <memory>
#include <string>

#include "fodc/backup/metrics.h"
#include "fodc/base/status.h"

namespace fodc::backup {

// On a thread of its own.
class MetricsServer {
 public:
  // `metrics` must outlive it. Errors: as HttpServer::Listen.
  static Result<std::unique_ptr<MetricsServer>> Start(
      const std::string& address, const Metrics& metrics);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  std::uint16_t port() const;

 private:
  struct Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::backup
