// SPDX-License-Identifier: Apache-2.0
// Without templates and inline functions of others: Go's pprof reads the line
// table of one stretch of code only, which this file then is.
#include "heap_work.h"

#include <cstdlib>

namespace fodc::guard::testing {
namespace {

constexpr std::size_t kLarge = 1 << 20;
constexpr std::size_t kSmall = 128;
constexpr std::size_t kArray = 64 * 1024;

// A list through the blocks themselves: nothing else is allocated.
struct Block {
  Block* next;
};
Block* kept_by_malloc = nullptr;
Block* kept_by_new = nullptr;

// Touched, so that it is there, and no call is optimised away.
void Keep(void* p, Block** list) {
  auto* block = static_cast<Block*>(p);
  block->next = *list;
  *const_cast<Block* volatile*>(list) = block;
}

}  // namespace

void KeepLargeBlocks() {
  for (std::size_t i = 0; i < kKeptBytes / kLarge; ++i) {
    Keep(std::malloc(kLarge), &kept_by_malloc);
  }
}

void KeepSmallBlocks() {
  for (std::size_t i = 0; i < kKeptBytes / kSmall; ++i) {
    Keep(std::malloc(kSmall), &kept_by_malloc);
  }
}

void KeepNewArrays() {
  for (std::size_t i = 0; i < kKeptBytes / kArray; ++i) {
    Keep(new char[kArray], &kept_by_new);
  }
}

void ChurnBlocks() {
  constexpr std::size_t kHalf = 8 * 1024;
  for (std::size_t i = 0; i < 96 * kLarge / (2 * kHalf); ++i) {
    Block* none = nullptr;
    void* p = std::malloc(kHalf);
    Keep(p, &none);
    p = std::realloc(p, 2 * kHalf);
    Keep(p, &none);
    std::free(p);
  }
}

void FreeBlocks() {
  while (kept_by_malloc != nullptr) {
    Block* next = kept_by_malloc->next;
    std::free(kept_by_malloc);
    kept_by_malloc = next;
  }
  while (kept_by_new != nullptr) {
    Block* next = kept_by_new->next;
    delete[] reinterpret_cast<char*>(kept_by_new);
    kept_by_new = next;
  }
}

}  // namespace fodc::guard::testing
