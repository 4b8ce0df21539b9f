// SPDX-License-Identifier: Apache-2.0
// Host names, looked up beside the loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/unique_function.h"

namespace fodc::net {

// Each lookup has a thread of its own while it lasts: with a dead name server
// that is many seconds and nothing can cancel it, for which neither the work of
// the disk (EventLoop::Offload) nor the end of the program is to wait.
// Every method belongs to the loop's thread.
class Resolver {
 public:
  // Numeric addresses, each once, in ascending order. A name with both kinds
  // gives those of IPv4; "localhost" needs no lookup.
  using Done = UniqueFunction<void(Result<std::vector<std::string>>)>;

  // `loop` must outlive the resolver.
  explicit Resolver(EventLoop& loop);
  // Lookups under way end by themselves, and nobody is told.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` on the loop, never inside the call.
  // Errors: kUnavailable, naming the host and the reason.
  void Resolve(const std::string& host, Done done);

 private:
  struct Shared;
  void Finish(std::uint64_t lookup, Result<std::vector<std::string>> found);

  std::shared_ptr<Shared> shared_;
  std::map<std::uint64_t, Done> lookups_;
  std::uint64_t last_lookup_ = 0;
};

}  // namespace fodc::net
