// SPDX-License-Identifier: Apache-2.0
// The thread that answers for profiles. It waits for all its connections at
// once; while it streams one profile it goes on to wait for the others, whose
// requests for a profile get 503. So one thread is enough, and nobody waits for
// anybody else's slow reading.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guard/profile.h"
#include "http_request.h"
#include "profile_endpoints.h"
#include "profile_listener.h"

namespace fodc::guard {

// Counters of fodc_guard_profile_requests_total by result; null: not counted.
struct ProfileCounters {
  Counter* served = nullptr;
  Counter* busy = nullptr;     // another profile was being written
  Counter* refused = nullptr;  // the request was bad
  Counter* failed = nullptr;   // the profile could not be made, or sent whole
};

class ProfileLoop {
 public:
  // `options` must outlive the loop.
  ProfileLoop(ProfileListener listener, UniqueFd wake,
              const ProfileServerOptions& options,
              const ProfileCounters& counters);
  ~ProfileLoop();

  // Until Stop.
  void Run();
  // From any thread.
  void Stop();

  const std::string& address() const { return listener_.address(); }

 private:
  enum class Stage : std::uint8_t {
    kReading,
    kWriting,    // an answer that is in memory
    kDraining,   // all is said; what the client still sends is thrown away
    kStreaming,  // gets a profile; streamed_ from now on
    kOver,
  };
  struct Connection {
    UniqueFd fd;
    MonotonicTime deadline;
    Stage stage = Stage::kReading;
    std::string input;
    std::string output;
    std::size_t drained_bytes = 0;
    std::size_t head_bytes = 0;  // 0: not all of the head is there
    HttpRequest request;
    ProfileEndpoint endpoint = ProfileEndpoint::kIndex;
  };

  // Waits for anything to do, and does it. `also` is a connection that is
  // streamed to and not in connections_: returns when it may be written.
  void Serve(const Connection* also);
  int WaitMillis(const Connection* also) const;
  void Accept();
  void Handle(Connection* c);
  void Read(Connection* c);
  void OnRequest(Connection* c);
  void Answer(Connection* c, int status, std::string_view text,
              std::string_view more_headers = {});
  void Write(Connection* c);
  void BeginDrain(Connection* c);
  void Drain(Connection* c);
  void StreamProfile();
  Status Send(Connection* c, std::string_view bytes);
  void Expire();

  ProfileListener listener_;
  const UniqueFd wake_;
  const ProfileServerOptions& options_;
  const ProfileCounters counters_;
  const Clock& clock_ = SystemClock();
  bool is_stopped_ = false;
  MonotonicTime accept_after_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<pollfd> polled_;
  // The one that gets a profile, and the right to one.
  std::unique_ptr<Connection> streamed_;
  std::optional<ProfileTurn> turn_;
};

}  // namespace fodc::guard
