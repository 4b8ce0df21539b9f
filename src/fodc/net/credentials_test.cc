// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/credentials.h"

#include <gmock/gmock.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::net {
namespace {

using ::testing::Field;
using ::testing::HasSubstr;

TEST(LoadCredentialsTest, ReadsWhatIsNamedAndTrimsTheToken) {
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("token"), " abc\n"), IsOk());
  EXPECT_THAT(LoadCredentials({.token_file = dir.File("token")}),
              IsOkAndHolds(Field(&Credentials::bearer_token, "abc")));
  const auto none = LoadCredentials({});
  ASSERT_THAT(none, IsOk());
  EXPECT_TRUE(none->empty());
}

TEST(LoadCredentialsTest, NamesWhatIsWrong) {
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("empty"), "\n"), IsOk());
  EXPECT_THAT(LoadCredentials({.cert_file = "c.pem"}),
              StatusIs(Code::kInvalidArgument, HasSubstr("c.pem")));
  EXPECT_THAT(LoadCredentials({.key_file = "k.pem"}),
              StatusIs(Code::kInvalidArgument, HasSubstr("k.pem")));
  EXPECT_THAT(LoadCredentials({.token_file = dir.File("empty")}),
              StatusIs(Code::kInvalidArgument, HasSubstr("empty")));
  EXPECT_THAT(LoadCredentials({.ca_file = dir.File("gone")}),
              StatusIs(Code::kNotFound, HasSubstr("gone")));
}

}  // namespace
}  // namespace fodc::net
