// SPDX-License-Identifier: Apache-2.0
// A store, and the strict server that it speaks to, of each kind.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/open_store.h"
#include "tests/support/object_server/options.h"
#include "tests/support/object_server/server.h"

namespace fodc::object_store {

using object_server::Kind;

class ServerTest : public ::testing::TestWithParam<Kind> {
 protected:
  // Objects beyond go in parts of kPartBytes, of which the last is shorter.
  static constexpr std::size_t kSinglePutBytes = 300'000;
  static constexpr std::size_t kPartBytes = 1u << 20;
  static constexpr std::size_t kLargeBytes = 3 * kPartBytes + 1000;

  void SetUp() override { Start({}); }
  // Replaces both.
  void Start(object_server::Options options);
  // Another store of the same server.
  Result<std::unique_ptr<ObjectStore>> Open(const StoreOptions& options = {});

  std::string Url(const std::string& path) const;
  // POST /__control/<what>.
  void Control(const std::string& what, const std::string& json);
  void Fail(const std::string& faults) { Control("faults", faults); }
  // Requests since the last Forget, by operation, and of these by status.
  std::map<std::string, std::map<std::string, std::uint64_t>> Counts() const;
  std::uint64_t Count(const std::string& operation) const;
  void Forget() { Control("clear_log", "{}"); }

  Status Put(std::string_view key, std::string_view bytes,
             PutOptions options = {});
  Result<std::string> Get(std::string_view key, GetOptions options = {});
  // Of the key that the server checks JWTs with, in PEM.
  static const std::string& SigningKey();
  // Always the same ones.
  static std::string Bytes(std::size_t bytes);

  const TempDirectory dir_;
  std::map<std::string, std::string> environment_;
  bool by_identity_ = false;  // of Azure: without a key
  std::unique_ptr<object_server::ObjectServer> server_;
  std::unique_ptr<ObjectStore> store_;
};

std::string KindName(const ::testing::TestParamInfo<Kind>& info);

}  // namespace fodc::object_store
