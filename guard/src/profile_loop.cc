// SPDX-License-Identifier: Apache-2.0
#include "profile_loop.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "edge.h"
#include "fodc/base/strings.h"
#include "heap_sources.h"
#include "profile_body.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;

// After an error of accept (no descriptors left).
constexpr auto kAcceptPause = 100ms;
void Raise(Counter* counter) {
  if (counter != nullptr) counter->Add();
}

}  // namespace

ProfileLoop::ProfileLoop(ProfileListener listener, UniqueFd wake,
                         const ProfileServerOptions& options,
                         const ProfileCounters& counters)
    : listener_(std::move(listener)),
      wake_(std::move(wake)),
      options_(options),
      counters_(counters) {}

ProfileLoop::~ProfileLoop() = default;

void ProfileLoop::Run() {
  while (!is_stopped_) {
    Serve(nullptr);
    if (streamed_ != nullptr) StreamProfile();
  }
}

void ProfileLoop::Stop() { (void)eventfd_write(wake_.get(), 1); }

int ProfileLoop::WaitMillis(const Connection* also) const {
  const MonotonicTime now = clock_.Monotonic();
  MonotonicTime first = now + 1h;
  if (accept_after_ > now) first = std::min(first, accept_after_);
  if (also != nullptr) first = std::min(first, also->deadline);
  for (const auto& c : connections_) first = std::min(first, c->deadline);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(first - now);
  return static_cast<int>(std::max(wait, 0ms).count());
}

void ProfileLoop::Serve(const Connection* also) {
  polled_.clear();
  polled_.push_back({wake_.get(), POLLIN, 0});
  const bool may_accept = clock_.Monotonic() >= accept_after_;
  polled_.push_back({may_accept ? listener_.fd() : -1, POLLIN, 0});
  polled_.push_back({also != nullptr ? also->fd.get() : -1, POLLOUT, 0});
  const std::size_t first = polled_.size();
  for (const auto& c : connections_) {
    const short what = c->stage == Stage::kWriting ? POLLOUT : POLLIN;
    polled_.push_back({c->fd.get(), what, 0});
  }
  if (poll(polled_.data(), polled_.size(), WaitMillis(also)) > 0) {
    if (polled_[0].revents != 0) is_stopped_ = true;
    for (std::size_t i = first; i < polled_.size(); ++i) {
      if (polled_[i].revents != 0) Handle(connections_[i - first].get());
    }
    if (polled_[1].revents != 0) Accept();
  }
  Expire();
  for (auto& c : connections_) {
    if (c->stage == Stage::kStreaming) streamed_ = std::move(c);
  }
  std::erase_if(connections_, [](const auto& c) {
    return c == nullptr || c->stage == Stage::kOver;
  });
}

void ProfileLoop::Accept() {
  for (;;) {
    UniqueFd fd(accept4(listener_.fd(), nullptr, nullptr,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.ok()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) accept_after_ = clock_.Monotonic() + kAcceptPause;
      return;
    }
    if (connections_.size() >= options_.max_connections) {
      Raise(counters_.refused);
      continue;
    }
    auto c = std::make_unique<Connection>();
    c->fd = std::move(fd);
    c->deadline = clock_.Monotonic() + options_.request_timeout;
    connections_.push_back(std::move(c));
  }
}

void ProfileLoop::Handle(Connection* c) {
  if (c->stage == Stage::kReading) {
    Read(c);
  } else if (c->stage == Stage::kWriting) {
    Write(c);
  } else if (c->stage == Stage::kDraining) {
    Drain(c);
  }
}

void ProfileLoop::Expire() {
  const MonotonicTime now = clock_.Monotonic();
  for (const auto& c : connections_) {
    if (c->deadline > now) continue;
    if (c->stage == Stage::kReading) {
      Answer(c.get(), 408, "the request did not come in time\n");
    } else if (c->stage != Stage::kStreaming) {
      c->stage = Stage::kOver;
    }
  }
}

Status ProfileLoop::Send(Connection* c, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(c->fd.get(), bytes.data(), bytes.size(),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return ErrnoStatus(errno, "send a profile");
    if (clock_.Monotonic() >= c->deadline) {
      return DeadlineExceeded("the profile was not read in time");
    }
    Serve(c);
    if (is_stopped_) return Cancelled("the server is stopped");
  }
  return OkStatus();
}

void ProfileLoop::StreamProfile() {
  // Kept in streamed_: that there is one is why others get 503.
  Connection* const c = streamed_.get();
  c->deadline = clock_.Monotonic() + options_.response_timeout;
  const bool is_text = c->endpoint == ProfileEndpoint::kAllocator;
  ProfileBody body(
      ProfileEndpointName(c->endpoint), is_text, !c->request.is_http_1_0,
      [this, c](std::string_view bytes) { return Send(c, bytes); });
  const pprof::Sink sink = [&body](std::string_view bytes) {
    return body.Write(bytes);
  };
  // What runs out of memory here must not end the thread.
  Status status = AtEdge([&]() -> Status {
    if (c->endpoint == ProfileEndpoint::kHeap) {
      return WriteHeap(options_.heap_source, sink);
    }
    if (c->endpoint == ProfileEndpoint::kThreads) return WriteThreads(sink);
    return WriteAllocatorStatistics(sink);
  });
  if (status.ok()) status = body.Finish();
  Raise(status.ok() ? counters_.served : counters_.failed);
  turn_.reset();
  if (status.ok()) {
    BeginDrain(c);
  } else if (body.has_begun()) {
    // The client must not take what it has for all: it sees a reset.
    const linger at_once = {1, 0};
    (void)setsockopt(c->fd.get(), SOL_SOCKET, SO_LINGER, &at_once,
                     sizeof(at_once));
    c->stage = Stage::kOver;
  } else {
    const bool is_permanent = status.code() == Code::kFailedPrecondition;
    Answer(c, is_permanent ? 501 : 500, status.message() + "\n");
  }
  if (!status.ok()) {
    const EventField fields[] = {{"endpoint", ProfileEndpointName(c->endpoint)},
                                 {"error", status.message()}};
    Tell(options_.events, {EventLevel::kWarn, "profile not served", fields});
  }
  if (c->stage != Stage::kOver) connections_.push_back(std::move(streamed_));
  streamed_.reset();
}

}  // namespace fodc::guard
