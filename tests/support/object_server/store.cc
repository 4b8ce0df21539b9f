// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/store.h"

#include <array>
#include <cstdio>

#include "fodc/base/strings.h"

namespace fodc::object_server {
namespace {

constexpr std::uint64_t kShards = 256;

std::uint64_t PerShard(std::uint64_t count) {
  return (count + kShards - 1) / kShards;
}

// The least text that is after all that start with `prefix`; nothing if there
// is none.
std::optional<std::string> AfterPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

std::string PositionAfter(std::string_view key) { return StrCat("K", key); }

std::string Generated::Key(std::uint64_t index) const {
  std::array<char, 32> text{};
  const int n =
      std::snprintf(text.data(), text.size(), "/%02llx/%08llu",
                    static_cast<unsigned long long>(index / PerShard(count)),
                    static_cast<unsigned long long>(index));
  return prefix + std::string(text.data(), static_cast<std::size_t>(n));
}

std::uint64_t Generated::LowerBound(std::string_view key) const {
  std::uint64_t low = 0;
  std::uint64_t high = count;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (Key(middle) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Both kinds of objects, merged; one that was put hides a generated one.
struct Bucket::Cursor {
  const Bucket& bucket;
  std::map<std::string, std::shared_ptr<Object>>::const_iterator at;
  std::uint64_t index = 0;
  std::string generated_key;

  explicit Cursor(const Bucket& b) : bucket(b) {}

  void Settle() {
    const Generated& g = bucket.generated_;
    for (; index < g.count; ++index) {
      if (bucket.erased_.contains(index)) continue;
      generated_key = g.Key(index);
      if (at == bucket.objects_.end() || at->first != generated_key) return;
    }
  }
  void Seek(std::string_view key) {
    at = bucket.objects_.lower_bound(std::string(key));
    index =
        bucket.generated_.count == 0 ? 0 : bucket.generated_.LowerBound(key);
    Settle();
  }
  bool Done() const {
    return at == bucket.objects_.end() && index >= bucket.generated_.count;
  }
  bool AtGenerated() const {
    return index < bucket.generated_.count &&
           (at == bucket.objects_.end() || generated_key < at->first);
  }
  const std::string& Key() const {
    return AtGenerated() ? generated_key : at->first;
  }
  ObjectPtr Value() const {
    return AtGenerated() ? bucket.generated_.object : ObjectPtr(at->second);
  }
  void Next() {
    if (AtGenerated()) {
      ++index;
    } else {
      ++at;
    }
    Settle();
  }
};

ObjectPtr Bucket::Get(const std::string& key) const {
  const auto it = objects_.find(key);
  if (it != objects_.end()) return it->second;
  if (generated_.count == 0) return nullptr;
  const std::uint64_t i = generated_.LowerBound(key);
  if (i >= generated_.count || erased_.contains(i) ||
      generated_.Key(i) != key) {
    return nullptr;
  }
  return generated_.object;
}

void Bucket::Put(const std::string& key, std::shared_ptr<Object> object) {
  object->generation = next_generation_++;
  objects_[key] = std::move(object);
}

bool Bucket::Erase(const std::string& key) {
  bool there = objects_.erase(key) != 0;
  if (generated_.count == 0) return there;
  const std::uint64_t i = generated_.LowerBound(key);
  if (i < generated_.count && generated_.Key(i) == key) {
    there = erased_.insert(i).second || there;
  }
  return there;
}

ListPage Bucket::List(const ListRequest& r) const {
  ListPage page;
  Cursor cursor(*this);
  std::string_view position = r.position;
  std::string from = r.prefix;
  if (ConsumePrefix(&position, "K")) {
    from = std::max(from, std::string(position) + '\0');
  } else if (ConsumePrefix(&position, "P")) {
    const auto after = AfterPrefix(std::string(position));
    if (!after) return page;
    from = std::max(from, *after);
  }
  cursor.Seek(from);
  std::string last;
  while (!cursor.Done() && cursor.Key().starts_with(r.prefix)) {
    if (page.items.size() >= r.limit) {
      page.position = last;
      return page;
    }
    const std::size_t cut =
        r.delimiter.empty() ? std::string::npos
                            : cursor.Key().find(r.delimiter, r.prefix.size());
    if (cut == std::string::npos) {
      page.items.push_back({cursor.Key(), cursor.Value()});
      last = PositionAfter(cursor.Key());
      cursor.Next();
      continue;
    }
    std::string common = cursor.Key().substr(0, cut + r.delimiter.size());
    last = StrCat("P", common);
    const auto after = AfterPrefix(common);
    page.items.push_back({std::move(common), nullptr});
    if (!after) break;
    cursor.Seek(*after);
  }
  return page;
}

Bucket* Store::Find(const std::string& name) {
  const auto it = buckets_.find(name);
  return it == buckets_.end() ? nullptr : &it->second;
}

bool Store::Create(const std::string& name) {
  return buckets_.try_emplace(name).second;
}

}  // namespace fodc::object_server
