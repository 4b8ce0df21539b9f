// SPDX-License-Identifier: Apache-2.0
// Breadcrumbs: what a chain of calls did last, kept for the record of its
// death. A chain has one store; a thread works on one chain at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"

namespace fodc::guard {

using BreadcrumbFields = std::vector<std::pair<std::string, std::string>>;

struct Breadcrumb {
  UnixTime time;
  std::string stage;      // "flush memtable"
  std::string component;  // may be empty
  BreadcrumbFields fields;
};

// The breadcrumbs of one chain, oldest first. Thread-safe; what is in it never
// changes. The fatal-signal handler reads it without a lock.
class BreadcrumbStore {
 public:
  // Of one chain. The first ones are kept, further ones ignored; of a thread's
  // own chain (AddBreadcrumb) the last ones are.
  static constexpr std::size_t kMaxBreadcrumbs = 64;

  BreadcrumbStore();
  ~BreadcrumbStore();
  BreadcrumbStore(const BreadcrumbStore&) = delete;
  BreadcrumbStore& operator=(const BreadcrumbStore&) = delete;

  // Without memory the breadcrumb is lost.
  void Add(Breadcrumb breadcrumb) noexcept;
  // Copies.
  std::vector<Breadcrumb> List() const;
  // A store of its own that begins with all that is in this one (of a thread's
  // own chain with the last half of kMaxBreadcrumbs, so that there is room):
  // neither sees what is added to the other later.
  std::shared_ptr<BreadcrumbStore> Fork() const;

 private:
  friend class BreadcrumbReader;
  struct Impl;
  explicit BreadcrumbStore(bool keeps_last);
  std::unique_ptr<Impl> impl_;
};

// Adds to the chain that the calling thread works on; a thread that works on
// none gets one of its own, which lasts as long as the thread and keeps what
// was added last. Never throws.
void AddBreadcrumb(std::string_view stage, std::string_view component = {},
                   BreadcrumbFields fields = {}) noexcept;

// What a new thread (or a task on another thread) begins with: a fork of the
// calling thread's chain, empty if it has none. Null only without memory.
std::shared_ptr<BreadcrumbStore> ForkBreadcrumbs() noexcept;

// Makes `store` the chain of the calling thread for as long as the object
// lives, then the chain before is back. Must be destroyed on the same thread,
// in reverse order.
class ScopedBreadcrumbs {
 public:
  explicit ScopedBreadcrumbs(std::shared_ptr<BreadcrumbStore> store) noexcept;
  ~ScopedBreadcrumbs();
  ScopedBreadcrumbs(const ScopedBreadcrumbs&) = delete;
  ScopedBreadcrumbs& operator=(const ScopedBreadcrumbs&) = delete;

 private:
  std::shared_ptr<BreadcrumbStore> store_;
};

}  // namespace fodc::guard
