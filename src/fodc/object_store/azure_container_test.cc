// SPDX-License-Identifier: Apache-2.0
// With the signature of one container, which never lets look at its
// properties, nor make it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/object_store/azure_store.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

ServedAnswer Error(int status, const std::string& code) {
  return {.status = status,
          .headers = {{"x-ms-error-code", code}},
          .body = StrCat("<Error><Code>", code, "</Code></Error>")};
}

class AzureContainerTest : public ::testing::Test {
 protected:
  AzureStore Store(const std::string& sas, const std::string& key) {
    return {{.location = {.kind = StoreKind::kAzure,
                          .bucket = "container",
                          .base = "base"},
             .account = *AzureAccountOf({.account_name = "account",
                                         .account_key = key,
                                         .sas_token = sas,
                                         .endpoint = server_.origin()})},
            transport_,
            SystemClock()};
  }

  ServedAnswer list_{.body = "<EnumerationResults></EnumerationResults>"};
  Transport transport_{{}};
  StoreServer server_{[this](const ServedRequest& r) {
    return r.method == "GET" ? list_
                             : Error(403, "AuthorizationPermissionMismatch");
  }};
};

TEST_F(AzureContainerTest, ItsSignatureIsEnough) {
  AzureStore store = Store("sr=c&sig=c2ln", "");
  EXPECT_THAT(store.Prepare({}), IsOk());
  ASSERT_THAT(server_.requests(), SizeIs(2));
  EXPECT_THAT(
      server_.requests().back().target,
      AllOf(StartsWith("/container?comp=list"), HasSubstr("maxresults=1&")));
}

TEST_F(AzureContainerTest, WhatIsNotThereIsSaidToBeNotThere) {
  AzureStore store = Store("sr=c&sig=c2ln", "");
  list_ = Error(404, "ContainerNotFound");
  EXPECT_THAT(store.Prepare({}),
              StatusIs(Code::kNotFound, HasSubstr("ContainerNotFound")));
  list_ = Error(403, "AuthorizationFailure");
  EXPECT_THAT(store.Prepare({}), StatusIs(Code::kPermissionDenied,
                                          HasSubstr("AuthorizationFailure")));
}

TEST_F(AzureContainerTest, AKeyThatIsRefusedIsRefused) {
  AzureStore store = Store("", "a2V5");
  EXPECT_THAT(store.Prepare({}),
              StatusIs(Code::kPermissionDenied, HasSubstr("find container")));
  EXPECT_THAT(server_.requests(), SizeIs(1));
}

}  // namespace
}  // namespace fodc::object_store
