// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/series_pool.h"

#include <malloc.h>
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <string>

#include "fodc/base/mutex.h"

namespace fodc::recorder {
namespace series_internal {
namespace {

constexpr std::size_t kMallocHeaderBytes = 8;

// Open addressing with linear probing; a null pointer is a free place. Grows at
// 4/5, shrinks at 1/5.
template <typename T>
class PointerTable {
 public:
  PointerTable() = default;
  PointerTable(const PointerTable&) = delete;
  PointerTable& operator=(const PointerTable&) = delete;
  ~PointerTable() { std::free(places_); }

  template <typename Equal>
  T* Find(std::uint64_t hash, const Equal& equal) const {
    if (capacity_ == 0) return nullptr;
    for (std::size_t i = hash & (capacity_ - 1); places_[i] != nullptr;
         i = (i + 1) & (capacity_ - 1)) {
      if (HashOf(places_[i]) == hash && equal(*places_[i])) return places_[i];
    }
    return nullptr;
  }
  void Insert(T* item) {
    if ((size_ + 1) * 5 > capacity_ * 4) {
      Resize(capacity_ == 0 ? 16 : capacity_ * 2);
    }
    Place(item);
    ++size_;
  }
  void Erase(T* item) {
    std::size_t hole = HashOf(item) & (capacity_ - 1);
    while (places_[hole] != item) hole = (hole + 1) & (capacity_ - 1);
    // Closes the gap, so that no probe ends early.
    for (std::size_t i = (hole + 1) & (capacity_ - 1); places_[i] != nullptr;
         i = (i + 1) & (capacity_ - 1)) {
      const std::size_t home = HashOf(places_[i]) & (capacity_ - 1);
      if (((i - home) & (capacity_ - 1)) >= ((i - hole) & (capacity_ - 1))) {
        places_[hole] = places_[i];
        hole = i;
      }
    }
    places_[hole] = nullptr;
    --size_;
    if (capacity_ > 16 && size_ * 5 < capacity_) Resize(capacity_ / 2);
  }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return capacity_ * sizeof(T*); }

 private:
  static std::uint64_t HashOf(const T* item);

  void Place(T* item) {
    std::size_t i = HashOf(item) & (capacity_ - 1);
    while (places_[i] != nullptr) i = (i + 1) & (capacity_ - 1);
    places_[i] = item;
  }
  void Resize(std::size_t capacity) {
    T** old = places_;
    const std::size_t old_capacity = capacity_;
    places_ = static_cast<T**>(std::calloc(capacity, sizeof(T*)));
    if (places_ == nullptr) throw std::bad_alloc();
    capacity_ = capacity;
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old[i] != nullptr) Place(old[i]);
    }
    std::free(old);
  }

  T** places_ = nullptr;
  std::size_t capacity_ = 0;  // 0 or a power of two
  std::size_t size_ = 0;
};

void* Allocate(std::size_t size, std::size_t* bytes) {
  void* p = std::malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  *bytes += malloc_usable_size(p) + kMallocHeaderBytes;
  return p;
}

void Free(void* p, std::size_t* bytes) {
  *bytes -= malloc_usable_size(p) + kMallocHeaderBytes;
  std::free(p);
}

}  // namespace

// The pool's state: lives until the pool and all its series are gone.
struct PoolCore {
  mutable Mutex mutex;
  // Text comes from pages and peers: random, so that nobody can choose the
  // places of the tables.
  const std::uint64_t key =
      (std::uint64_t{std::random_device()()} << 32) | std::random_device()();
  PointerTable<NameRecord> names FODC_GUARDED_BY(mutex);
  PointerTable<Series> series FODC_GUARDED_BY(mutex);
  std::size_t bytes FODC_GUARDED_BY(mutex) = 0;
  bool orphaned FODC_GUARDED_BY(mutex) = false;
  std::string scratch FODC_GUARDED_BY(mutex);

  NameRecord* FindOrAddName(std::string_view name, std::string_view family,
                            exposition::MetricType type, std::string_view help,
                            std::string_view unit) FODC_REQUIRES(mutex);
  void ReleaseName(NameRecord* record) FODC_REQUIRES(mutex);
  SeriesRef Intern(std::string_view name, std::string_view labels,
                   std::string_view family, exposition::MetricType type,
                   std::string_view help, std::string_view unit)
      FODC_REQUIRES(mutex);
  // Drops one reference that may be the last. True if the core is to go too.
  bool DropReference(const Series* series) FODC_EXCLUDES(mutex);

  static std::uint64_t HashOf(const Series* series) { return series->hash_; }
};

namespace {

template <>
std::uint64_t PointerTable<NameRecord>::HashOf(const NameRecord* item) {
  return item->hash;
}
template <>
std::uint64_t PointerTable<Series>::HashOf(const Series* item) {
  return PoolCore::HashOf(item);
}

std::string_view Text(const NameRecord& r, std::size_t at, std::size_t size) {
  return {r.text() + at, size};
}

}  // namespace

NameRecord* PoolCore::FindOrAddName(std::string_view name,
                                    std::string_view family,
                                    exposition::MetricType type,
                                    std::string_view help,
                                    std::string_view unit) {
  const bool begins = name.starts_with(family);
  std::uint64_t hash = XXH3_64bits_withSeed(name.data(), name.size(), key);
  hash = XXH3_64bits_withSeed(family.data(), family.size(), hash);
  hash = XXH3_64bits_withSeed(help.data(), help.size(), hash);
  hash = XXH3_64bits_withSeed(unit.data(), unit.size(), hash);
  hash += static_cast<std::uint64_t>(type);
  NameRecord* found = names.Find(hash, [&](const NameRecord& r) {
    const std::size_t own_family = r.family_begins_name ? 0 : r.family_size;
    return r.type == type && Text(r, 0, r.name_size) == name &&
           Text(r, r.family_begins_name ? 0 : r.name_size, r.family_size) ==
               family &&
           Text(r, r.name_size + own_family, r.help_size) == help &&
           Text(r, r.name_size + own_family + r.help_size, r.unit_size) == unit;
  });
  if (found != nullptr) return found;
  const std::size_t text =
      name.size() + (begins ? 0 : family.size()) + help.size() + unit.size();
  auto* r = new (Allocate(sizeof(NameRecord) + text, &bytes))
      NameRecord{.core = this,
                 .hash = hash,
                 .refs = 0,
                 .type = type,
                 .name_size = static_cast<std::uint32_t>(name.size()),
                 .family_size = static_cast<std::uint32_t>(family.size()),
                 .help_size = static_cast<std::uint32_t>(help.size()),
                 .unit_size = static_cast<std::uint32_t>(unit.size()),
                 .family_begins_name = begins};
  char* out = reinterpret_cast<char*>(r + 1);
  for (const std::string_view piece :
       {name, begins ? std::string_view() : family, help, unit}) {
    if (!piece.empty()) std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  }
  names.Insert(r);
  return r;
}

void PoolCore::ReleaseName(NameRecord* record) {
  if (--record->refs > 0) return;
  names.Erase(record);
  Free(record, &bytes);
}

SeriesRef PoolCore::Intern(std::string_view name, std::string_view labels,
                           std::string_view family, exposition::MetricType type,
                           std::string_view help, std::string_view unit) {
  NameRecord* record = FindOrAddName(name, family, type, help, unit);
  const std::uint64_t hash =
      XXH3_64bits_withSeed(labels.data(), labels.size(),
                           XXH3_64bits_withSeed(name.data(), name.size(), key));
  Series* found = series.Find(hash, [&](const Series& s) {
    return s.record_ == record && s.labels() == labels;
  });
  if (found == nullptr) {
    ++record->refs;
    found = new (Allocate(sizeof(Series) + labels.size(), &bytes))
        Series(record, hash, static_cast<std::uint32_t>(labels.size()));
    if (!labels.empty())
      std::memcpy(reinterpret_cast<char*>(found) + sizeof(Series),
                  labels.data(), labels.size());
    series.Insert(found);
  }
  return SeriesRef(found);
}

bool PoolCore::DropReference(const Series* s) {
  // Every reference from the table is made under the mutex, so one that is the
  // last here stays the last.
  MutexLock lock(mutex);
  if (s->refs_.fetch_sub(1, std::memory_order_acq_rel) > 1) return false;
  auto* mine = const_cast<Series*>(s);
  series.Erase(mine);
  ReleaseName(mine->record_);
  Free(mine, &bytes);
  return orphaned && series.size() == 0;
}

}  // namespace series_internal

std::string_view Series::help() const {
  const auto& r = *record_;
  return {r.text() + r.name_size + (r.family_begins_name ? 0 : r.family_size),
          r.help_size};
}

std::string_view Series::unit() const {
  return {help().data() + record_->help_size, record_->unit_size};
}

void Series::Release() const {
  std::uint32_t refs = refs_.load(std::memory_order_relaxed);
  while (refs > 1) {
    if (refs_.compare_exchange_weak(refs, refs - 1,
                                    std::memory_order_acq_rel)) {
      return;
    }
  }
  series_internal::PoolCore* core = record_->core;
  if (core->DropReference(this)) delete core;
}

SeriesPool::SeriesPool() : core_(new series_internal::PoolCore) {}

SeriesPool::~SeriesPool() {
  bool last = false;
  {
    MutexLock lock(core_->mutex);
    core_->orphaned = true;
    last = core_->series.size() == 0;
  }
  if (last) delete core_;
}

SeriesRef SeriesPool::Intern(const exposition::SeriesDesc& desc) {
  MutexLock lock(core_->mutex);
  core_->scratch.clear();
  exposition::AppendCanonicalLabels(&core_->scratch, desc.labels);
  return core_->Intern(desc.name, core_->scratch, desc.family, desc.type,
                       desc.help, desc.unit);
}

SeriesRef SeriesPool::Intern(const SeriesEntry& entry, std::size_t* grown) {
  MutexLock lock(core_->mutex);
  const std::size_t before = core_->bytes;
  SeriesRef series = core_->Intern(entry.name, entry.labels, entry.family,
                                   entry.type, entry.help, entry.unit);
  if (grown != nullptr) *grown = core_->bytes - before;
  return series;
}

std::size_t SeriesPool::bytes() const {
  MutexLock lock(core_->mutex);
  return core_->bytes + core_->names.bytes() + core_->series.bytes() +
         core_->scratch.capacity() + sizeof(*core_);
}

std::size_t SeriesPool::size() const {
  MutexLock lock(core_->mutex);
  return core_->series.size();
}

}  // namespace fodc::recorder
