// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/breadcrumb.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "breadcrumb_reader.h"
#include "fodc/base/mutex.h"

namespace fodc::guard {
namespace {

// The chain of this thread. `t_current` is what the signal handler reads: no
// constructor, no destructor, and in memory that every thread has from its
// start (a first access in a loaded library would allocate).
thread_local std::shared_ptr<BreadcrumbStore> t_chain;
__attribute__((tls_model(
    "initial-exec"))) thread_local constinit std::atomic<const BreadcrumbStore*>
    t_current{nullptr};

// No chain any more when the thread ends, before t_chain goes.
struct ChainEnd {
  ~ChainEnd() { t_current.store(nullptr); }
};

// Returns the chain before.
std::shared_ptr<BreadcrumbStore> Exchange(
    std::shared_ptr<BreadcrumbStore> store) {
  auto before = std::exchange(t_chain, std::move(store));
  thread_local ChainEnd end;  // constructed after t_chain, so it goes first
  (void)end;
  t_current.store(t_chain.get());
  return before;
}

}  // namespace

struct BreadcrumbStore::Impl {
  Mutex mutex;
  std::array<std::shared_ptr<const Breadcrumb>, kMaxBreadcrumbs> owned
      FODC_GUARDED_BY(mutex);
  // The same for who may not lock: the first `size` of `shown` are there.
  std::array<const Breadcrumb*, kMaxBreadcrumbs> shown{};
  std::atomic<std::size_t> size{0};

  void Add(std::shared_ptr<const Breadcrumb> b) FODC_REQUIRES(mutex) {
    const std::size_t at = size.load(std::memory_order_relaxed);
    if (at == kMaxBreadcrumbs) return;
    shown[at] = b.get();
    owned[at] = std::move(b);
    size.store(at + 1, std::memory_order_release);  // for Read below
  }
};

BreadcrumbStore::BreadcrumbStore() : impl_(std::make_unique<Impl>()) {}
BreadcrumbStore::~BreadcrumbStore() = default;

void BreadcrumbStore::Add(Breadcrumb breadcrumb) noexcept {
  try {
    auto owned = std::make_shared<const Breadcrumb>(std::move(breadcrumb));
    const MutexLock lock(impl_->mutex);
    impl_->Add(std::move(owned));
  } catch (...) {
    // No memory: the next one may fit.
  }
}

std::vector<Breadcrumb> BreadcrumbStore::List() const {
  std::vector<Breadcrumb> all;
  for (const Breadcrumb* b : BreadcrumbReader::Read(*this)) all.push_back(*b);
  return all;
}

std::shared_ptr<BreadcrumbStore> BreadcrumbStore::Fork() const {
  auto fork = std::make_shared<BreadcrumbStore>();
  const MutexLock lock(impl_->mutex);
  const MutexLock theirs(fork->impl_->mutex);
  for (std::size_t i = 0; i < impl_->size.load(); ++i) {
    fork->impl_->Add(impl_->owned[i]);
  }
  return fork;
}

std::span<const Breadcrumb* const> BreadcrumbReader::Read(
    const BreadcrumbStore& store) {
  return {store.impl_->shown.data(),
          store.impl_->size.load(std::memory_order_acquire)};
}

const BreadcrumbStore* BreadcrumbReader::OfThisThread() {
  return t_current.load();
}

void AddBreadcrumb(std::string_view stage, std::string_view component,
                   BreadcrumbFields fields) noexcept {
  try {
    if (t_chain == nullptr) (void)Exchange(std::make_shared<BreadcrumbStore>());
    t_chain->Add({SystemClock().Unix(), std::string(stage),
                  std::string(component), std::move(fields)});
  } catch (...) {
    // No memory: as BreadcrumbStore::Add.
  }
}

std::shared_ptr<BreadcrumbStore> ForkBreadcrumbs() noexcept {
  try {
    return t_chain == nullptr ? std::make_shared<BreadcrumbStore>()
                              : t_chain->Fork();
  } catch (...) {
    return nullptr;
  }
}

ScopedBreadcrumbs::ScopedBreadcrumbs(
    std::shared_ptr<BreadcrumbStore> store) noexcept
    : store_(Exchange(std::move(store))) {}

ScopedBreadcrumbs::~ScopedBreadcrumbs() { (void)Exchange(std::move(store_)); }

}  // namespace fodc::guard
