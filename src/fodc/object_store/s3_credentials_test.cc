// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class S3CredentialsTest : public ::testing::Test {
 protected:
  S3Credentials Make(S3CredentialOptions options = {}) {
    options.environment =
        [this](const char* name) -> std::optional<std::string> {
      const auto it = environment_.find(name);
      if (it == environment_.end()) return {};
      return it->second;
    };
    options.metadata_origin = server_.origin();
    options.sts_origin = server_.origin();
    return {std::move(options), transport_, clock_};
  }
  // "access secret token" or the failure.
  static std::string Get(S3Credentials* credentials, bool renew = false) {
    const auto key = credentials->Get(renew);
    return key.ok() ? StrCat(key->access_key, " ", key->secret, " ",
                             key->session_token)
                    : key.status().ToString();
  }
  std::string GetOnce(S3CredentialOptions options = {}) {
    S3Credentials credentials = Make(std::move(options));
    return Get(&credentials);
  }
  std::string Write(const std::string& name, std::string_view text) {
    EXPECT_THAT(WriteFileAtomically(dir_.File(name), text), IsOk());
    return dir_.File(name);
  }
  std::string Json(std::chrono::seconds holds) const {
    return StrCat(R"({"AccessKeyId":"J","SecretAccessKey":"S","Token":"t",)",
                  R"("Expiration":")", FormatRfc3339(clock_.Unix() + holds, 0),
                  "\"}");
  }

  const TempDirectory dir_;
  std::map<std::string, std::string> environment_ = {
      {"HOME", dir_.path()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  FakeClock clock_;
  std::atomic<int> asked_ = 0;
  Answers<const ServedRequest&> serve_{
      [](const ServedRequest&) { return ServedAnswer{.status = 404}; }};
  const StoreServer server_{[this](const ServedRequest& r) {
    ++asked_;
    return serve_(r);
  }};
  Transport transport_{{}};
};

TEST_F(S3CredentialsTest, TheEnvironmentComesFirst) {
  environment_["AWS_ACCESS_KEY_ID"] = "E";
  environment_["AWS_SECRET_ACCESS_KEY"] = "es";
  EXPECT_EQ(GetOnce(), "E es ");
  environment_["AWS_SESSION_TOKEN"] = "et";
  EXPECT_EQ(GetOnce(), "E es et");
}

TEST_F(S3CredentialsTest, ThenTheSharedFiles) {
  ASSERT_THAT(MakeDirectories(dir_.File(".aws")), IsOk());
  Write(".aws/config",
        "[default]\nregion = eu-west-1\naws_access_key_id = C\n"
        "[profile other]\nendpoint_url=http://h:1\nmax_attempts = 3\n");
  Write(".aws/credentials",
        "[default]\naws_access_key_id = F # mine\naws_secret_access_key=f#s\n"
        "[other]\naws_access_key_id=O\naws_secret_access_key=os\n"
        "aws_session_token=ot\n");
  EXPECT_EQ(GetOnce(), "F f#s ");
  EXPECT_EQ(GetOnce({.profile = "other"}), "O os ot");
  environment_["AWS_PROFILE"] = "other";
  EXPECT_EQ(GetOnce(), "O os ot");
  auto credentials = Make();
  const auto settings = credentials.Settings();
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->endpoint, "http://h:1");
  EXPECT_EQ(settings->max_attempts, 3);
  EXPECT_FALSE(settings->region);
  environment_["AWS_DEFAULT_REGION"] = "r";
  EXPECT_EQ(credentials.Settings()->region, "r");
  // A profile that a flag names counts more than keys of the environment.
  environment_["AWS_ACCESS_KEY_ID"] = "E";
  environment_["AWS_SECRET_ACCESS_KEY"] = "es";
  EXPECT_EQ(GetOnce({.profile = "default"}), "F f#s ");
}

TEST_F(S3CredentialsTest, FilesOfOthersNames) {
  const std::string file =
      Write("c", "[p]\naws_access_key_id=A\naws_secret_access_key=B\n");
  EXPECT_EQ(GetOnce({.credentials_file = file, .profile = "p"}), "A B ");
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = file;
  EXPECT_EQ(GetOnce({.profile = "p"}), "A B ");
  EXPECT_THAT(GetOnce({.profile = "q"}), HasSubstr("no profile q"));
  EXPECT_THAT(GetOnce({.config_file = dir_.File("none")}),
              HasSubstr(dir_.File("none")));
  // A file that was changed counts when they are renewed.
  auto credentials = Make({.profile = "p"});
  EXPECT_EQ(Get(&credentials), "A B ");
  Write("c", "[p]\naws_access_key_id=A2\naws_secret_access_key=B2\n");
  EXPECT_EQ(Get(&credentials), "A B ");
  EXPECT_EQ(Get(&credentials, /*renew=*/true), "A2 B2 ");
}

TEST_F(S3CredentialsTest, BadFilesAreNamedAndNotQuoted) {
  const std::string file = Write("c", "[p]\nvery secret thing\n");
  EXPECT_THAT(GetOnce({.credentials_file = file}),
              AllOf(HasSubstr(file + ": line 2"), Not(HasSubstr("secret"))));
  const std::string role = Write("d", "[default]\nrole_arn = x\n");
  EXPECT_THAT(GetOnce({.config_file = role}), HasSubstr("role_arn"));
  const std::string many = Write("e", "[default]\nmax_attempts = 0\n");
  EXPECT_THAT(Make({.config_file = many}).Settings(),
              StatusIs(Code::kInvalidArgument, HasSubstr("1 to 100")));
}

TEST_F(S3CredentialsTest, AContainersUri) {
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] =
      server_.origin() + "/v1/keys?a=b";
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = Write("t", "tok\n");
  serve_ = [this](const ServedRequest& r) {
    EXPECT_EQ(r.target, "/v1/keys?a=b");
    EXPECT_EQ(r.At("authorization"), "tok");
    return ServedAnswer{.body = Json(1h)};
  };
  auto credentials = Make();
  EXPECT_EQ(Get(&credentials), "J S t");
  EXPECT_EQ(Get(&credentials), "J S t");
  EXPECT_EQ(asked_, 1);
  clock_.Advance(56min);  // it soon expires
  EXPECT_EQ(Get(&credentials), "J S t");
  EXPECT_EQ(asked_, 2);
  // While the service is away, what holds for some minutes yet is used.
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 500}; };
  clock_.Advance(56min);
  EXPECT_EQ(Get(&credentials), "J S t");
  clock_.Advance(10min);
  EXPECT_THAT(Get(&credentials), HasSubstr("answers HTTP 500"));
}

TEST_F(S3CredentialsTest, AWebIdentity) {
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = Write("t", "a.b-c\n");
  environment_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  serve_ = [](const ServedRequest& r) {
    EXPECT_EQ(r.method, "POST");
    EXPECT_THAT(r.body, AllOf(HasSubstr("WebIdentityToken=a.b-c"),
                              HasSubstr("RoleArn=arn%3Aaws%3Aiam"),
                              HasSubstr("Action=AssumeRoleWithWebIdentity")));
    return ServedAnswer{
        .body =
            "<AssumeRoleWithWebIdentityResponse xmlns=\"x\">"
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            "<AccessKeyId>W</AccessKeyId><SecretAccessKey>ws"
            "</SecretAccessKey><SessionToken>wt</SessionToken>"
            "<Expiration>2026-01-01T01:00:00Z</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"};
  };
  EXPECT_EQ(GetOnce(), "W ws wt");
  serve_ = [](const ServedRequest&) { return ServedAnswer{.body = "<a/>"}; };
  EXPECT_THAT(GetOnce(), HasSubstr("gives no keys"));
}

TEST_F(S3CredentialsTest, TheMachinesRole) {
  environment_.erase("AWS_EC2_METADATA_DISABLED");
  serve_ = [this](const ServedRequest& r) {
    if (r.target == "/latest/api/token") {
      EXPECT_EQ(r.method, "PUT");
      return ServedAnswer{.body = "imds"};
    }
    EXPECT_EQ(r.At("x-aws-ec2-metadata-token"), "imds");
    if (r.target.ends_with("/")) return ServedAnswer{.body = "role-1\n"};
    EXPECT_TRUE(r.target.ends_with("/role-1"));
    return ServedAnswer{.body = Json(1h)};
  };
  EXPECT_EQ(GetOnce(), "J S t");
}

// Of each service: a moment of weakness, and a connection that breaks.
TEST_F(S3CredentialsTest, WhoGivesThemMayBeWeakForAMoment) {
  const auto weakly = [this](auto good) {
    return [this, good](const ServedRequest& r) {
      const int n = asked_;
      if (n == 1) return ServedAnswer{.status = 503};
      if (n == 2) return ServedAnswer{.cuts = true};
      return good(r);
    };
  };
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.origin() + "/k";
  serve_ = weakly(
      [this](const ServedRequest&) { return ServedAnswer{.body = Json(1h)}; });
  EXPECT_EQ(GetOnce(), "J S t");
  EXPECT_EQ(asked_, 3);
  environment_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");

  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = Write("t", "a.b-c\n");
  environment_["AWS_ROLE_ARN"] = "arn";
  asked_ = 0;
  serve_ = weakly([](const ServedRequest& r) {
    EXPECT_THAT(r.body, HasSubstr("WebIdentityToken=a.b-c"));
    return ServedAnswer{.body = "<a/>"};
  });
  EXPECT_THAT(GetOnce(), HasSubstr("gives no keys"));
  EXPECT_EQ(asked_, 3);
  environment_.erase("AWS_ROLE_ARN");

  environment_.erase("AWS_EC2_METADATA_DISABLED");
  asked_ = 0;
  serve_ = weakly([this](const ServedRequest& r) {
    return ServedAnswer{.body =
                            r.target.ends_with("/role") ? Json(1h) : "role"};
  });
  EXPECT_EQ(GetOnce(), "J S t");
  // One that stays weak is not none.
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 503}; };
  EXPECT_THAT(GetOnce(), HasSubstr("metadata service answers HTTP 503"));
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 403}; };
  EXPECT_THAT(GetOnce(), HasSubstr("there are no keys"));
}

TEST_F(S3CredentialsTest, LookingIsStopped) {
  std::stop_source stop;
  environment_.erase("AWS_EC2_METADATA_DISABLED");
  serve_ = [&](const ServedRequest&) {
    stop.request_stop();
    return ServedAnswer{.status = 503};
  };
  auto credentials = Make();
  EXPECT_THAT(credentials.Get(false, stop.get_token()),
              StatusIs(Code::kCancelled, _));
  EXPECT_EQ(asked_, 1);
}

TEST_F(S3CredentialsTest, NoneAreSaidToBeNone) {
  EXPECT_THAT(GetOnce(), AllOf(HasSubstr("UNAUTHENTICATED"),
                               HasSubstr("AWS_ACCESS_KEY_ID")));
}

}  // namespace
}  // namespace fodc::object_store
