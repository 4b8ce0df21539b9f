// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/operation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace kvnode {
namespace {

using fodc::Code;
using fodc::StatusIs;
using testing::HasSubstr;

TEST(OperationTest, IsReadAsItWasMade) {
  const std::string key("a\0\xff", 3);
  const Operation made(OperationKind::kAppend, key, "value");
  const auto read =
      Operation::Read(static_cast<std::uint16_t>(made.kind()), made.payload());
  ASSERT_TRUE(read.ok());
  for (const OperationView& o : {*read, made.view()}) {
    EXPECT_EQ(o.kind, OperationKind::kAppend);
    EXPECT_EQ(o.key, key);
    EXPECT_EQ(o.value, "value");
  }
}

TEST(OperationTest, RefusesAPayloadThatIsCutAtAnyByteOfItsKey) {
  const Operation made(OperationKind::kPut, "key", "");
  for (std::size_t n = 0; n < made.payload().size(); ++n) {
    EXPECT_THAT(
        Operation::Read(1, std::string_view(made.payload()).substr(0, n)),
        StatusIs(Code::kDataLoss, HasSubstr("key")))
        << n;
  }
}

TEST(OperationTest, RefusesAKindThatThereIsNot) {
  const Operation made(OperationKind::kPut, "key", "value");
  for (const unsigned kind : {0u, 4u, 65535u}) {
    EXPECT_THAT(
        Operation::Read(static_cast<std::uint16_t>(kind), made.payload()),
        StatusIs(Code::kDataLoss, HasSubstr("kind")));
  }
}

}  // namespace
}  // namespace kvnode
