// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "fodc/base/file.h"
#include "tests/support/object_server/connection.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {

namespace asio = boost::asio;
using asio::ip::tcp;

struct ObjectServer::Impl {
  explicit Impl(Options o) : options(std::move(o)) {}

  Options options;
  std::optional<TempDirectory> temporary;
  World world{options, options.credentials, {}, {}};
  Controls controls;
  std::unique_ptr<Service> service;
  std::uint16_t port = 0;
  // After what its connections hold on to, so that it goes before.
  asio::io_context io{1};
  std::optional<tcp::acceptor> acceptor;
  std::thread thread;

  asio::awaitable<void> Accept() {
    while (true) {
      auto [error, socket] =
          co_await acceptor->async_accept(asio::as_tuple(asio::use_awaitable));
      if (error == asio::error::operation_aborted) co_return;
      if (error) continue;
      auto connection = std::make_shared<Connection>(
          std::move(socket), Shared{&world, service.get(), &controls});
      Connection& c = *connection;
      asio::co_spawn(io, c.Run(std::move(connection)), asio::detached);
    }
  }

  Status Listen() {
    boost::system::error_code error;
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                 options.port);
    acceptor.emplace(io);
    acceptor->open(endpoint.protocol(), error);
    if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor->bind(endpoint, error);
    if (!error) acceptor->listen(1024, error);
    if (error) return Unavailable("listen: " + error.message());
    port = acceptor->local_endpoint().port();
    return Status();
  }
};

Result<std::unique_ptr<ObjectServer>> ObjectServer::Start(Options options) {
  if (!FromBase64(options.credentials.azure_key)) {
    return InvalidArgument("the key of the Azure account is no base64");
  }
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl& i = *impl;
  if (i.options.directory.empty()) {
    i.temporary.emplace("object-server");
    i.world.vault.directory = i.temporary->path();
  } else {
    FODC_RETURN_IF_ERROR(MakeDirectories(i.options.directory));
    i.world.vault.directory = i.options.directory;
  }
  i.world.vault.memory_limit = i.options.memory_limit_bytes;
  i.world.vault.discard = i.options.discard;
  i.controls.latency = i.options.latency;
  i.service = i.options.kind == Kind::kS3    ? MakeS3Service(&i.world)
              : i.options.kind == Kind::kGcs ? MakeGcsService(&i.world)
                                             : MakeAzureService(&i.world);
  if (!i.options.faults.empty()) {
    FODC_ASSIGN_OR_RETURN(i.controls.faults, ParseFaults(i.options.faults));
  }
  MakeWorld(&i.world);
  FODC_RETURN_IF_ERROR(i.Listen());
  asio::co_spawn(i.io, i.Accept(), asio::detached);
  i.thread = std::thread([&i] { i.io.run(); });
  return std::unique_ptr<ObjectServer>(new ObjectServer(std::move(impl)));
}

ObjectServer::ObjectServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

ObjectServer::~ObjectServer() {
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t ObjectServer::port() const { return impl_->port; }

}  // namespace fodc::object_server
