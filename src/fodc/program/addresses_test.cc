// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::program {
namespace {

using ::testing::HasSubstr;

TEST(AddressesTest, TakesWhatCanBeConnectedTo) {
  for (const char* good :
       {"a:1", "127.0.0.1:65535", "[::1]:9", "proxy.svc:80"}) {
    EXPECT_THAT(CheckPeerAddress(good), IsOk()) << good;
  }
  for (const char* bad : {"", "a", ":1", "a:0", "a:65536", "a:x", "a:", "::1:9",
                          "http://a:1", "a b:1", "u@a:1"}) {
    EXPECT_THAT(CheckPeerAddress(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr("is not HOST:PORT")))
        << bad;
  }
}

TEST(AddressesTest, TakesWhatCanBeListenedAt) {
  for (const char* good : {":1", ":0", "a:0", "[::]:9"}) {
    EXPECT_THAT(CheckListenAddress(good), IsOk()) << good;
  }
  for (const char* bad : {"", "foo", "127.0.0.1:99999", "a:", "::1:9"}) {
    EXPECT_THAT(CheckListenAddress(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr("or :PORT")))
        << bad;
  }
}

}  // namespace
}  // namespace fodc::program
