// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/metrics_server.h"

#include <thread>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace fodc::backup {

struct MetricsServer::Impl {
  net::EventLoop loop{SystemClock()};
  net::HttpServer http{loop};
  std::thread thread{};
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& address, const Metrics& metrics) {
  auto impl = std::make_unique<Impl>();
  impl->http.Route("/metrics", net::Access::kViewer,
                   [&metrics](const net::HttpRequest& request) {
                     const exposition::Format format =
                         exposition::NegotiateFormat(request.Header("Accept"));
                     net::HttpResponse response;
                     response.content_type = exposition::ContentType(format);
                     response.body = metrics.Page(format);
                     return response;
                   });
  impl->http.Route(
      "/healthz", net::Access::kPublic,
      [](const net::HttpRequest&) { return net::TextResponse("ok\n"); });
  FODC_RETURN_IF_ERROR(impl->http.Listen(address));
  impl->thread = std::thread([loop = &impl->loop] { loop->Run(); });
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
}

MetricsServer::~MetricsServer() {
  impl_->loop.Stop();
  impl_->thread.join();
}

std::uint16_t MetricsServer::port() const { return impl_->http.port(); }

}  // namespace fodc::backup
