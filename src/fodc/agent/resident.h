// SPDX-License-Identifier: Apache-2.0
// Memory that the process no longer needs, given back to the machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fodc::agent {

enum class IdlePages : std::uint8_t {
  kCode,
  // Also read-only data, such as the symbol tables that the dynamic linker has
  // gone through: megabytes, with libraries like gRPC. Only while no other
  // thread may load a library: one that is half relocated would break.
  kCodeAndTables,
};

// Starting, and rare work, touch pages of files that a running agent hardly
// reads again. They leave the process; what is needed comes back from the page
// cache by itself. Freed heap goes back, too. Returns the bytes of the mappings
// dropped.
std::size_t ReleaseIdlePages(IdlePages what);

}  // namespace fodc::agent
