// SPDX-License-Identifier: Apache-2.0
// Profiles of this process for people and for the agent: heap, threads, the
// allocator's own figures. Profiles are gzipped profile.proto with mappings and
// build ids, addresses without names: whoever reads it looks names up.
//
// The heap is told by the first of these that can:
//   jemalloc    in the process with prof:true (at its start; MALLOC_CONF)
//   gperftools  in the process with TCMALLOC_SAMPLE_PARAMETER above 0
//   sampler     the archive fodc-guard-sampler is linked in
// docs/concept/profiles.md says what each does not see.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

enum class HeapSource : std::uint8_t {
  kAuto,
  kJemalloc,
  kGperftools,
  kSampler
};

// "jemalloc", "gperftools", "sampler"; "auto".
std::string_view HeapSourceName(HeapSource source) noexcept;

// The source that a heap profile would come from now; never kAuto.
// Errors: kFailedPrecondition if there is none, or not the one that is asked
// for; the message says what it takes.
Result<HeapSource> FindHeapSource(
    HeapSource wanted = HeapSource::kAuto) noexcept;

// The profile endpoints. GET only, but for `symbol`, which takes POST as well:
//   /debug/pprof/            what there is, as text
//   /debug/pprof/heap        profile.proto, gzipped
//   /debug/pprof/threads     the same: every thread's stack, name and state
//   /debug/pprof/allocator   what the allocator says of itself, as text
//   /debug/pprof/cmdline     the arguments, separated by NUL
//   /debug/pprof/symbol      names of addresses, as gperftools' protocol has it
struct ProfileServerOptions {
  // "127.0.0.1:6060", "[::1]:6060", "localhost:0" (any free port),
  // "unix:/run/node/pprof.sock" (mode 0600, taken over when nobody listens on
  // it). An address that is not loopback needs a token.
  std::string listen = "127.0.0.1:6060";
  // If not empty, a request must bring "Authorization: Bearer <token>".
  std::string token = {};
  HeapSource heap_source = HeapSource::kAuto;
  // From the connection to the last byte of the request; a day at most.
  std::chrono::milliseconds request_timeout{5000};
  // From the request to the last byte of the answer.
  std::chrono::milliseconds response_timeout{30000};
  // Further ones are closed at once; 1 to 64.
  std::size_t max_connections = 16;
  EventSink events = {};
  Metrics* metrics = nullptr;  // must outlive the server
};

// Serves from a thread of its own until it is destroyed. One profile at a time
// in the whole process: a second request gets 503 at once. A request has at
// most 8 KiB (and 64 KiB of body, for `symbol`). Bodies are streamed: memory
// does not grow with the profile.
class ProfileServer {
 public:
  // Errors: kInvalidArgument for an address or a number out of range, and for
  // an address that is not loopback without a token; as bind(2) and listen(2).
  static Result<std::unique_ptr<ProfileServer>> Create(
      ProfileServerOptions options) noexcept;
  // Ends what is being sent.
  ~ProfileServer();
  ProfileServer(const ProfileServer&) = delete;
  ProfileServer& operator=(const ProfileServer&) = delete;

  // As it listens, with the port that the system gave.
  const std::string& address() const noexcept;

 private:
  struct Impl;
  explicit ProfileServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The same without a listener, for a host with a server of its own. They write
// to `fd` (a file, pipe or socket that blocks) as they go, by write(2): whoever
// may lose the reader ignores SIGPIPE. After an error what was written is not
// whole.
// Errors: kUnavailable while another profile of this process is written;
// kFailedPrecondition as FindHeapSource; as write(2).
Status WriteHeapProfile(int fd, HeapSource source = HeapSource::kAuto) noexcept;
// Interrupts every thread with a signal for some microseconds: a call that
// SA_RESTART does not cover (signal(7)) returns EINTR. A thread that blocks the
// signal, or does not run within 200 ms, is told without its stack.
Status WriteThreadProfile(int fd) noexcept;
// With glibc it is malloc_info(3), which takes each arena's lock while it walks
// its free lists: tenths of a second on a large heap.
Status WriteAllocatorText(int fd) noexcept;

// The signal that WriteThreadProfile uses: SIGRTMAX - 3. If the host has a
// handler for it, stacks are left out.
int ThreadProfileSignal() noexcept;

// The table that the sampler writes (docs/formats/heap-table.md), to be passed
// to whoever shall read it after this process is gone: the memory lives as long
// as anybody holds it. The descriptor belongs to the sampler.
// Errors: kFailedPrecondition if the sampler is not linked in or is off.
Result<int> HeapTableFd() noexcept;

}  // namespace fodc::guard
