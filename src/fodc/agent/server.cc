// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/server.h"

#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/format.h"

namespace fodc::agent {

using net::Access;
using net::HttpRequest;
using net::HttpResponse;

Server::Server(net::EventLoop& loop, Sources sources, const Options& options)
    : sources_(std::move(sources)),
      version_(options.version),
      revision_(options.revision),
      main_(loop) {
  AddRoutes();
}

Result<std::unique_ptr<Server>> Server::Start(net::EventLoop& loop,
                                              const Options& options,
                                              Sources sources) {
  std::unique_ptr<Server> server(new Server(loop, std::move(sources), options));
  if (options.diagnosis_address == options.listen_address)
    AddDiagnostics(&server->main_);
  Status listening = server->main_.Listen(options.listen_address);
  if (!listening.ok()) return listening.WithContext("--prometheus-listen-addr");
  if (options.diagnosis_address == options.listen_address) return server;

  server->diagnosis_ = std::make_unique<net::HttpServer>(loop);
  AddDiagnostics(server->diagnosis_.get());
  listening = server->diagnosis_->Listen(options.diagnosis_address);
  if (listening.ok()) return server;
  if (options.diagnosis_required)
    return listening.WithContext("--diagnosis-listen-addr");
  LogInfo(
      "/diagnostics is not served; --diagnosis-listen-addr changes its address",
      {{"error", listening.message()}});
  server->diagnosis_.reset();
  return server;
}

std::uint16_t Server::diagnosis_port() const {
  return diagnosis_ == nullptr ? 0 : diagnosis_->port();
}

void Server::AddDiagnostics(net::HttpServer* server) {
  // No crash is collected yet: an empty list, in the form that clients know.
  server->Route("/diagnostics", Access::kViewer,
                [](const HttpRequest&) { return net::JsonResponse("[]"); });
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "HEAD"}) {
    server->Route(
        "/diagnostics", Access::kViewer,
        [](const HttpRequest&) {
          HttpResponse r;
          r.status = 405;
          return r;
        },
        method);
  }
}

void Server::AddRoutes() {
  main_.Route("/metrics", Access::kViewer, [this](const HttpRequest& request) {
    const exposition::Format format =
        exposition::NegotiateFormat(request.Header("Accept"));
    HttpResponse r;
    r.content_type = exposition::ContentType(format);
    r.source = sources_.page(format);
    return r;
  });
  main_.Route("/healthz", Access::kPublic,
              [](const HttpRequest&) { return net::TextResponse("ok\n"); });
  main_.Route("/readyz", Access::kPublic, [this](const HttpRequest&) {
    const std::vector<std::string> reasons = sources_.not_ready();
    if (reasons.empty()) return net::TextResponse("ok\n");
    std::string text = "not ready\n";
    for (const std::string& reason : reasons) text += reason + "\n";
    HttpResponse r = net::TextResponse(std::move(text));
    r.status = 503;
    return r;
  });
  main_.Route("/explain", Access::kViewer, [this](const HttpRequest&) {
    return net::JsonResponse(sources_.explain());
  });
  main_.Route("/version", Access::kPublic, [this](const HttpRequest&) {
    std::string json = "{\"program\":\"fodc-agent\",\"version\":";
    AppendJsonString(&json, version_);
    json += ",\"revision\":";
    AppendJsonString(&json, revision_);
    return net::JsonResponse(json + "}\n");
  });
}

void Server::Stop(std::chrono::milliseconds grace, net::Task done) {
  auto both = std::make_shared<net::Task>(std::move(done));
  auto left = std::make_shared<int>(diagnosis_ == nullptr ? 1 : 2);
  const auto one = [both, left] {
    if (--*left == 0) (*both)();
  };
  main_.Stop(grace, one);
  if (diagnosis_ != nullptr) diagnosis_->Stop(grace, one);
}

}  // namespace fodc::agent
