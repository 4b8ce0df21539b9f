// SPDX-License-Identifier: Apache-2.0
// All objects beneath a prefix, page by page.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// Not thread-safe; `store` must outlive it.
class Listing {
 public:
  Listing(object_store::ObjectStore& store, std::string prefix,
          std::stop_token stop)
      : store_(store), stop_(std::move(stop)) {
    request_.prefix = std::move(prefix);
  }

  // In ascending order; absent at the end.
  // Errors: those of ObjectStore::List; kDataLoss for one that does not ascend
  // (so that one which repeats ends), or that goes on for ever without a key.
  Result<std::optional<object_store::ObjectInfo>> Next();

 private:
  object_store::ObjectStore& store_;
  const std::stop_token stop_;
  object_store::ListRequest request_;
  object_store::ListPage page_;
  std::size_t at_ = 0;  // in it
  std::size_t empty_pages_ = 0;
  bool is_begun_ = false;
  std::string last_;
};

}  // namespace fodc::backup
