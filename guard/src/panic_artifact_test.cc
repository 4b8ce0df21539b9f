// SPDX-License-Identifier: Apache-2.0
#include "panic_artifact.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "record.h"

namespace fodc::guard {
namespace {

TEST(PanicJsonTest, AStackWithoutEndIsCutAndTheRecordIsWhole) {
  PanicRecord record;
  record.component = "flush";
  record.artifact_id = "id";
  while (record.stack.size() <= 2 * kMaxRecordBytes) {
    record.stack += "  #0 0x1 /usr/bin/node+0x1\n";
  }
  const nlohmann::json j = nlohmann::json::parse(PanicJson(record));
  EXPECT_EQ(j.at("goroutineStack").get<std::string>().size(), kMaxStackBytes);
  EXPECT_EQ(j.at("artifactId"), "id");
}

}  // namespace
}  // namespace fodc::guard
