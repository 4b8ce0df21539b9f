// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/objects.h"

#include "block.skel.h"
#include "cache.skel.h"
#include "death.skel.h"
#include "faults.skel.h"
#include "gate.skel.h"
#include "memory.skel.h"
#include "numbers.skel.h"
#include "sched.skel.h"

namespace fodc::kernel {
namespace {

struct Object {
  std::string_view stem;
  const void* (*bytes)(std::size_t*);
};

constexpr Object kObjects[] = {
    {"block", block__elf_bytes},     {"cache", cache__elf_bytes},
    {"death", death__elf_bytes},     {"faults", faults__elf_bytes},
    {"gate", gate__elf_bytes},       {"memory", memory__elf_bytes},
    {"numbers", numbers__elf_bytes}, {"sched", sched__elf_bytes},
};

}  // namespace

std::span<const std::byte> ObjectBytes(std::string_view stem) {
  for (const Object& object : kObjects) {
    if (object.stem != stem) continue;
    std::size_t size = 0;
    const void* bytes = object.bytes(&size);
    return {static_cast<const std::byte*>(bytes), size};
  }
  return {};
}

}  // namespace fodc::kernel
