// SPDX-License-Identifier: Apache-2.0
// Buckets (Azure: containers) and their objects in the order of their bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "tests/support/object_server/content.h"

namespace fodc::object_server {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Block {  // of Azure
  std::string id;
  Content content;
};

struct Object {
  Content content;
  std::string etag;  // without quotes
  Sums sums;         // what was computed or given
  Pairs metadata;    // names in lower case
  Pairs headers;     // given at upload and sent again: Content-Type and so on
  Pairs checksums;   // S3: "x-amz-checksum-…" and what is sent for it
  std::string checksum_type;  // S3
  std::string storage_class;  // Azure: access tier
  std::vector<Block> blocks;  // Azure: the committed ones
  UnixTime modified;
  std::uint64_t generation = 0;

  std::uint64_t size() const { return content.size(); }
};
using ObjectPtr = std::shared_ptr<const Object>;

struct ListRequest {
  std::string prefix;
  std::string delimiter;
  std::string position;  // of the page before; empty: from the start
  std::uint64_t limit = 1000;
};
struct ListItem {
  std::string name;
  ObjectPtr object;  // null for a common prefix
};
struct ListPage {
  std::vector<ListItem> items;
  std::string position;  // empty: that was all
};
// A position that goes on after this key.
std::string PositionAfter(std::string_view key);

// Objects that are not held but made when asked for, in key order:
// "<prefix>/<%02x>/<%08d>", all with the same content.
struct Generated {
  std::uint64_t count = 0;
  std::string prefix;
  ObjectPtr object;

  std::string Key(std::uint64_t index) const;
  // The first index whose key is not before `key`.
  std::uint64_t LowerBound(std::string_view key) const;
};

class Bucket {
 public:
  ObjectPtr Get(const std::string& key) const;
  void Put(const std::string& key, std::shared_ptr<Object> object);
  bool Erase(const std::string& key);
  ListPage List(const ListRequest& request) const;
  void Generate(Generated generated) { generated_ = std::move(generated); }
  std::uint64_t size() const { return objects_.size() + generated_.count; }

 private:
  struct Cursor;

  std::map<std::string, std::shared_ptr<Object>> objects_;
  Generated generated_;
  std::set<std::uint64_t> erased_;  // of the generated ones
  std::uint64_t next_generation_ = 1;
};

// Not thread-safe.
class Store {
 public:
  Bucket* Find(const std::string& name);
  // False if it is there.
  bool Create(const std::string& name);
  void Clear() { buckets_.clear(); }
  const std::map<std::string, Bucket>& buckets() const { return buckets_; }

 private:
  std::map<std::string, Bucket> buckets_;
};

}  // namespace fodc::object_server
