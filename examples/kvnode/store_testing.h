// SPDX-License-Identifier: Apache-2.0
// A store in a directory of its own, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/kvnode/store.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace kvnode {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { Reopen(); }

  // As after a kill: what was in memory only is gone.
  void Reopen(StreamLayout layout = StreamLayout::kEntries) {
    store_.reset();
    auto store = Store::Open({.directory = dir_.File("db"),
                              .layout = layout,
                              .block_cache_bytes = 1 << 20,
                              .write_buffer_bytes = 1 << 20});
    ASSERT_THAT(store, fodc::IsOk());
    store_ = *std::move(store);
  }
  fodc::Status Apply(std::uint64_t sequence, OperationKind kind,
                     std::string_view key, std::string_view value = {}) {
    const OperationView operation{kind, key, value};
    return store_->Apply(sequence, {&operation, 1});
  }
  fodc::Status Put(std::uint64_t sequence, std::string_view key,
                   std::string_view value) {
    return Apply(sequence, OperationKind::kPut, key, value);
  }
  fodc::Status Append(std::uint64_t sequence, std::string_view stream,
                      std::string_view value) {
    return Apply(sequence, OperationKind::kAppend, stream, value);
  }
  std::string Get(std::string_view key) const {
    const auto value = store_->Get(key);
    if (!value.ok()) return value.status().ToString();
    return value->value_or("(none)");
  }
  StreamPage ReadStream(std::string_view stream, std::uint64_t after = 0,
                        ReadBounds bounds = {}) const {
    auto page = store_->ReadStream(stream, after, bounds);
    EXPECT_THAT(page, fodc::IsOk());
    return page.ok() ? *std::move(page) : StreamPage();
  }
  // "1=a 2=b"
  static std::string Text(const StreamPage& page) {
    std::string text;
    for (const StreamEntry& e : page.entries) {
      if (!text.empty()) text += ' ';
      text += std::to_string(e.sequence) + '=' + e.value;
    }
    return text;
  }

  const fodc::TempDirectory dir_;
  std::unique_ptr<Store> store_;
};

}  // namespace kvnode
