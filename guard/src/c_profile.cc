// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <utility>

#include "c_event.h"
#include "c_metrics.h"
#include "c_status.h"
#include "fodc/base/strings.h"
#include "fodc/guard/c/profile.h"
#include "fodc/guard/profile.h"

using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::HeapSource;
using fodc::guard::ProfileServer;
using fodc::guard::ProfileServerOptions;

struct fodc_guard_profile_server {
  std::unique_ptr<ProfileServer> server;
};

namespace {

static_assert(static_cast<int>(HeapSource::kAuto) == FODC_GUARD_HEAP_AUTO);
static_assert(static_cast<int>(HeapSource::kJemalloc) ==
              FODC_GUARD_HEAP_JEMALLOC);
static_assert(static_cast<int>(HeapSource::kGperftools) ==
              FODC_GUARD_HEAP_GPERFTOOLS);
static_assert(static_cast<int>(HeapSource::kSampler) ==
              FODC_GUARD_HEAP_SAMPLER);

Result<HeapSource> SourceOf(int number) {
  if (number < FODC_GUARD_HEAP_AUTO || number > FODC_GUARD_HEAP_SAMPLER) {
    return InvalidArgument(
        fodc::StrCat("heap source ", number, " is not known"));
  }
  return static_cast<HeapSource>(number);
}

}  // namespace

int fodc_guard_find_heap_source(int wanted, int* out) {
  return AtCEdge([&]() -> Status {
    if (out == nullptr) return InvalidArgument("out is null");
    FODC_ASSIGN_OR_RETURN(const HeapSource asked, SourceOf(wanted));
    FODC_ASSIGN_OR_RETURN(const HeapSource found,
                          fodc::guard::FindHeapSource(asked));
    *out = static_cast<int>(found);
    return OkStatus();
  });
}

void fodc_guard_profile_server_options_init(
    fodc_guard_profile_server_options* options) {
  if (options == nullptr) return;
  const ProfileServerOptions defaults;
  *options = {};
  options->listen = "127.0.0.1:6060";
  options->request_timeout_ms =
      static_cast<std::uint32_t>(defaults.request_timeout.count());
  options->response_timeout_ms =
      static_cast<std::uint32_t>(defaults.response_timeout.count());
  options->max_connections =
      static_cast<decltype(options->max_connections)>(defaults.max_connections);
}

int fodc_guard_profile_server_start(
    const fodc_guard_profile_server_options* options,
    fodc_guard_profile_server** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    ProfileServerOptions filled;
    if (options->listen != nullptr) filled.listen = options->listen;
    if (options->token != nullptr) filled.token = options->token;
    FODC_ASSIGN_OR_RETURN(filled.heap_source, SourceOf(options->heap_source));
    filled.request_timeout =
        std::chrono::milliseconds(options->request_timeout_ms);
    filled.response_timeout =
        std::chrono::milliseconds(options->response_timeout_ms);
    filled.max_connections = options->max_connections;
    filled.events =
        fodc::guard::ToSink(options->on_event, options->on_event_user);
    filled.metrics = fodc::guard::MetricsOf(options->metrics);
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<ProfileServer> server,
                          ProfileServer::Create(std::move(filled)));
    *out = new fodc_guard_profile_server{std::move(server)};
    return OkStatus();
  });
}

void fodc_guard_profile_server_stop(fodc_guard_profile_server* server) {
  delete server;
}

const char* fodc_guard_profile_server_address(
    const fodc_guard_profile_server* server) {
  return server != nullptr ? server->server->address().c_str() : "";
}

int fodc_guard_write_heap_profile(int fd, int heap_source) {
  return AtCEdge([&]() -> Status {
    FODC_ASSIGN_OR_RETURN(const HeapSource source, SourceOf(heap_source));
    return fodc::guard::WriteHeapProfile(fd, source);
  });
}

int fodc_guard_write_thread_profile(int fd) {
  return AtCEdge([fd] { return fodc::guard::WriteThreadProfile(fd); });
}

int fodc_guard_write_allocator_text(int fd) {
  return AtCEdge([fd] { return fodc::guard::WriteAllocatorText(fd); });
}

int fodc_guard_heap_table_fd(int* out) {
  return AtCEdge([&]() -> Status {
    if (out == nullptr) return InvalidArgument("out is null");
    FODC_ASSIGN_OR_RETURN(*out, fodc::guard::HeapTableFd());
    return OkStatus();
  });
}
