// SPDX-License-Identifier: Apache-2.0
// What is served under /debug/pprof/, whoever serves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guard/profile.h"
#include "fodc/pprof/gzip.h"

namespace fodc::guard {

enum class ProfileEndpoint : std::uint8_t {
  kIndex,
  kHeap,
  kThreads,
  kAllocator,
  kCmdline,
  kSymbol,
};

std::optional<ProfileEndpoint> FindProfileEndpoint(std::string_view path);
// "heap"; "index" for the list.
std::string_view ProfileEndpointName(ProfileEndpoint endpoint);

// One profile at a time in the process; the allocator's text is one as well.
class ProfileTurn {
 public:
  ProfileTurn();  // takes it if it is free
  ~ProfileTurn();
  ProfileTurn(const ProfileTurn&) = delete;
  ProfileTurn& operator=(const ProfileTurn&) = delete;

  bool is_ours() const { return is_ours_; }

 private:
  const bool is_ours_;
};

// The caller has the turn.
Status WriteThreads(const pprof::Sink& sink);

Result<std::string> CommandLine();
// What is asked: addresses "0x12+0xab" as gperftools' clients send them; empty:
// whether names are known at all. Names are those of dynamic symbols (dladdr),
// mangled; an address without one is left out, and so is what does not fit
// kMaxSymbolBytes.
inline constexpr std::size_t kMaxSymbolBytes = std::size_t{512} << 10;
std::string SymbolNames(std::string_view asked);
std::string ProfileIndex();

}  // namespace fodc::guard
