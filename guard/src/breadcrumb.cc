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
  const bool keeps_last;
  Mutex mutex;
  std::array<std::shared_ptr<const Breadcrumb>, kMaxBreadcrumbs> owned
      FODC_GUARDED_BY(mutex);
  // The same for who may not lock. Of all that were `added` the last
  // kMaxBreadcrumbs are there, each in its turn.
  std::array<std::atomic<const Breadcrumb*>, kMaxBreadcrumbs> shown{};
  std::atomic<std::size_t> added{0};

  explicit Impl(bool last) : keeps_last(last) {}

  void Add(std::shared_ptr<const Breadcrumb> b) FODC_REQUIRES(mutex) {
    const std::size_t count = added.load(std::memory_order_relaxed);
    if (count >= kMaxBreadcrumbs && !keeps_last) return;
    const std::size_t at = count % kMaxBreadcrumbs;
    // What it replaces goes last: a signal handler on this thread may look.
    shown[at].store(b.get(), std::memory_order_relaxed);
    owned[at].swap(b);
    added.store(count + 1, std::memory_order_release);  // for Read below
  }
};

BreadcrumbStore::BreadcrumbStore() : BreadcrumbStore(false) {}
BreadcrumbStore::BreadcrumbStore(bool keeps_last)
    : impl_(std::make_unique<Impl>(keeps_last)) {}
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
  BreadcrumbReader::Places places;
  for (const Breadcrumb* b : BreadcrumbReader::Read(*this, &places)) {
    all.push_back(*b);
  }
  return all;
}

std::shared_ptr<BreadcrumbStore> BreadcrumbStore::Fork() const {
  auto fork = std::make_shared<BreadcrumbStore>();
  const MutexLock lock(impl_->mutex);
  const MutexLock theirs(fork->impl_->mutex);
  const std::size_t end = impl_->added.load();
  const std::size_t most =
      impl_->keeps_last ? kMaxBreadcrumbs / 2 : kMaxBreadcrumbs;
  for (std::size_t i = end - std::min(end, most); i < end; ++i) {
    fork->impl_->Add(impl_->owned[i % kMaxBreadcrumbs]);
  }
  return fork;
}

std::span<const Breadcrumb* const> BreadcrumbReader::Read(
    const BreadcrumbStore& store, Places* places) {
  const BreadcrumbStore::Impl& impl = *store.impl_;
  const std::size_t end = impl.added.load(std::memory_order_acquire);
  const std::size_t size = std::min(end, places->size());
  for (std::size_t i = 0; i < size; ++i) {
    (*places)[i] = impl.shown[(end - size + i) % impl.shown.size()].load(
        std::memory_order_relaxed);
  }
  return {places->data(), size};
}

std::shared_ptr<BreadcrumbStore> BreadcrumbReader::MakeThreadsOwn() {
  return std::shared_ptr<BreadcrumbStore>(new BreadcrumbStore(true));
}

const BreadcrumbStore* BreadcrumbReader::OfThisThread() {
  return t_current.load();
}

void AddBreadcrumb(std::string_view stage, std::string_view component,
                   BreadcrumbFields fields) noexcept {
  try {
    if (t_chain == nullptr) (void)Exchange(BreadcrumbReader::MakeThreadsOwn());
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
