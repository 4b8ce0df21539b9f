// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/profile.h"

#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "edge.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "heap_sources.h"
#include "own_thread.h"
#include "profile_endpoints.h"
#include "profile_listener.h"
#include "profile_loop.h"
#include "sampler/sampler_link.h"

extern "C" __attribute__((weak)) int fodc_guard_sampler_table() noexcept;

namespace fodc::guard {
namespace {

constexpr std::chrono::milliseconds kMaxTimeout{86'400'000};
constexpr char kRequests[] = "fodc_guard_profile_requests_total";

Status CheckOptions(const ProfileServerOptions& o) {
  if (o.max_connections < 1 || o.max_connections > 64) {
    return InvalidArgument(
        StrCat("max_connections is ", o.max_connections, ": want 1 to 64"));
  }
  for (const auto timeout : {o.request_timeout, o.response_timeout}) {
    if (timeout.count() > 0 && timeout <= kMaxTimeout) continue;
    return InvalidArgument(StrCat("a timeout of profiles is ", timeout.count(),
                                  " ms: want 1 to ", kMaxTimeout.count()));
  }
  for (const char c : o.token) {
    if (c <= ' ' || c >= '\x7f') {
      return InvalidArgument("the token has bytes that no header may have");
    }
  }
  return OkStatus();
}

Result<ProfileCounters> FindCounters(Metrics* metrics) {
  ProfileCounters c;
  if (metrics == nullptr) return c;
  const auto find = [metrics](std::string_view result) {
    return metrics->FindCounter(kRequests, {{"result", result}});
  };
  FODC_ASSIGN_OR_RETURN(c.served, find("served"));
  FODC_ASSIGN_OR_RETURN(c.busy, find("busy"));
  FODC_ASSIGN_OR_RETURN(c.refused, find("refused"));
  FODC_ASSIGN_OR_RETURN(c.failed, find("failed"));
  return c;
}

// `write` gets a sink to the descriptor, and the turn.
template <typename Write>
Status WriteTo(int fd, const Write& write) {
  return AtEdge([&]() -> Status {
    const ProfileTurn turn;
    if (!turn.is_ours()) return Unavailable("another profile is being written");
    return write([fd](std::string_view bytes) {
      return WriteAll(fd, bytes, "a profile");
    });
  });
}

}  // namespace

std::string_view HeapSourceName(HeapSource source) noexcept {
  switch (source) {
    case HeapSource::kAuto:
      return "auto";
    case HeapSource::kJemalloc:
      return "jemalloc";
    case HeapSource::kGperftools:
      return "gperftools";
    case HeapSource::kSampler:
      return "sampler";
  }
  return "unknown";
}

Result<HeapSource> FindHeapSource(HeapSource wanted) noexcept {
  return AtEdge([wanted] { return ChooseHeapSource(wanted); });
}

struct ProfileServer::Impl {
  ProfileServerOptions options;
  std::unique_ptr<ProfileLoop> loop;
  std::thread thread;

  ~Impl() {
    if (!thread.joinable()) return;
    loop->Stop();
    thread.join();
  }

  Status Start() {
    return StartThread(&thread, "fodc-profiles", [this] { loop->Run(); });
  }
};

ProfileServer::ProfileServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
ProfileServer::~ProfileServer() = default;

Result<std::unique_ptr<ProfileServer>> ProfileServer::Create(
    ProfileServerOptions options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<ProfileServer>> {
    FODC_RETURN_IF_ERROR(CheckOptions(options));
    FODC_ASSIGN_OR_RETURN(const ProfileCounters counters,
                          FindCounters(options.metrics));
    FODC_ASSIGN_OR_RETURN(
        ProfileListener listener,
        ProfileListener::Open(options.listen, !options.token.empty()));
    UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.ok()) return ErrnoStatus(errno, "eventfd");
    auto impl = std::make_unique<Impl>();
    impl->options = std::move(options);
    const HeapSource wanted = impl->options.heap_source;
    ProfileWriters writers;
    writers.heap = [wanted](const pprof::Sink& sink) {
      return WriteHeap(wanted, sink);
    };
    writers.threads = &WriteThreads;
    writers.allocator = &WriteAllocatorStatistics;
    impl->loop = std::make_unique<ProfileLoop>(std::move(listener),
                                               std::move(wake), impl->options,
                                               counters, std::move(writers));
    const std::string address = impl->loop->address();
    FODC_RETURN_IF_ERROR(impl->Start());
    const Result<HeapSource> source = FindHeapSource(wanted);
    const EventField fields[] = {
        {"address", address},
        {"heap", source.ok() ? HeapSourceName(*source)
                             : std::string_view(source.status().message())}};
    Tell(impl->options.events,
         {EventLevel::kInfo, "profile endpoints enabled", fields});
    return std::unique_ptr<ProfileServer>(new ProfileServer(std::move(impl)));
  });
}

const std::string& ProfileServer::address() const noexcept {
  return impl_->loop->address();
}

Status WriteHeapProfile(int fd, HeapSource source) noexcept {
  return WriteTo(fd, [source](const pprof::Sink& sink) {
    return WriteHeap(source, sink);
  });
}

Status WriteThreadProfile(int fd) noexcept {
  return WriteTo(fd, &WriteThreads);
}

Status WriteAllocatorText(int fd) noexcept {
  return WriteTo(fd, &WriteAllocatorStatistics);
}

int ThreadProfileSignal() noexcept { return SIGRTMAX - 3; }

Result<int> HeapTableFd() noexcept {
  return AtEdge([]() -> Result<int> {
    const int fd =
        &fodc_guard_sampler_table != nullptr ? fodc_guard_sampler_table() : -1;
    if (fd >= 0) return fd;
    return FailedPrecondition(
        "no table of heap samples: fodc-guard-sampler is not linked in or off");
  });
}

}  // namespace fodc::guard
