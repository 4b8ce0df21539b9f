// SPDX-License-Identifier: Apache-2.0
// Descriptors are what agents and HTTP clients compete for: a gRPC server that
// finds none for a connection never accepts another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fodc::proxy {

// Raises the process' limit of open files as far as it may. Returns it.
std::uint64_t RaiseOpenFiles();

// How many HTTP connections there may be, of those wanted, so that `agents` and
// the proxy's own files find descriptors, too. Where that leaves next to
// nothing, a quarter of all.
std::size_t HttpConnectionsWithin(std::uint64_t open_files, std::size_t agents,
                                  std::size_t wanted);

}  // namespace fodc::proxy
