// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/secret_name.h"

#include <gtest/gtest.h>

namespace fodc::capture {
namespace {

TEST(SecretNameTest, GoesByWhatTheNameSays) {
  for (const char* name : {"password",
                           "db.password",
                           "DB_PASSWORD",
                           "--db-password",
                           "userPwd",
                           "AWS_SECRET_ACCESS_KEY",
                           "api-key",
                           "X-Api-Key",
                           "authToken",
                           "tokens",
                           "Authorization",
                           "Set-Cookie",
                           "clientSecret",
                           "AccountKey",
                           "sig",
                           "spring.datasource.passwd",
                           "credentials",
                           "private_key",
                           "DB_PASS",
                           "MYSQL_PASS",
                           "pass",
                           "--db-pass",
                           "requirepass",
                           "masterauth",
                           "REDIS_AUTH",
                           "AZURE_STORAGE_KEY",
                           "LICENSE_KEY",
                           "MAXMIND_LICENSE_KEY",
                           "MINIO_ROOT_PASSWORD",
                           "MINIO_SECRET_KEY",
                           "minio.secret_key",
                           "maxPassword",
                           "PWD",
                           "DBPASS"}) {
    EXPECT_TRUE(IsSecretName(name)) << name;
  }
  for (const char* name :
       {"", "-", "key", "password_file", "secretName", "token-ttl", "tokenizer",
        "max_tokens", "maxTokens", "min_password_length", "partition.key",
        "sign", "signal", "compass", "AWS_ACCESS_KEY_ID", "author", "monkey",
        "token_url", "auth_type"}) {
    EXPECT_FALSE(IsSecretName(name)) << name;
  }
}

TEST(SecretNameTest, AnAuthIsAGroup) {
  EXPECT_TRUE(IsGroupName("basic_auth"));
  EXPECT_FALSE(IsGroupName("credentials"));
}

}  // namespace
}  // namespace fodc::capture
