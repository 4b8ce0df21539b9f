// SPDX-License-Identifier: Apache-2.0
// What goes wrong at a server and on the way, for each kind of store.
#include "fodc/backup/listing.h"
#include "tests/object_store/server_fixture.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_THAT(Put("there", "hello"), IsOk());
    Forget();
  }
  // Each kind of request once; the failure of the first that fails.
  Status DoAll() {
    FODC_RETURN_IF_ERROR(Put("small", "small"));
    FODC_RETURN_IF_ERROR(Put("large", Bytes(kLargeBytes)));
    FODC_RETURN_IF_ERROR(Get("there").status());
    FODC_RETURN_IF_ERROR(store_->Head("there", {}).status());
    FODC_RETURN_IF_ERROR(store_->List({.prefix = "t"}, {}).status());
    FODC_RETURN_IF_ERROR(store_->Copy("there", "copy", {}));
    FODC_RETURN_IF_ERROR(store_->Delete({"copy"}, {}));
    FODC_ASSIGN_OR_RETURN(const std::string large, Get("large"));
    return large == Bytes(kLargeBytes) ? OkStatus() : Internal("other bytes");
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, FaultsTest,
                         ::testing::Values(Kind::kS3, Kind::kGcs, Kind::kAzure),
                         KindName);

// Every operation, twice in a row.
TEST_P(FaultsTest, WhatPassesIsTriedAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    SCOPED_TRACE(status);
    std::string faults = "[";
    for (const char* operation :
         {"put", "create_upload", "put_part", "complete_upload", "get", "head",
          "list", "copy", "delete"}) {
      faults +=
          StrCat(faults.size() > 1 ? "," : "", R"({"operation":")", operation,
                 R"(","action":"status","count":2,"status":)", status, "}");
    }
    Fail(faults + "]");
    EXPECT_THAT(DoAll(), IsOk());
  }
}

TEST_P(FaultsTest, ConnectionsThatBreakAreMadeAgain) {
  for (const char* action : {"reset_before", "reset_after"}) {
    SCOPED_TRACE(action);
    for (const char* operation :
         {"put", "create_upload", "put_part", "complete_upload", "get", "head",
          "list", "copy", "delete"}) {
      SCOPED_TRACE(operation);
      Fail(StrCat(R"([{"operation":")", operation, R"(","action":")", action,
                  R"(","count":1}])"));
      EXPECT_THAT(DoAll(), IsOk());
    }
  }
}

// A download goes on behind what it has; a page is asked for again.
TEST_P(FaultsTest, BodiesThatEndTooSoonAreGoneOnWith) {
  Fail(R"([{"operation":"get","action":"short_body","count":2},)"
       R"({"operation":"list","action":"short_body","count":1}])");
  EXPECT_THAT(DoAll(), IsOk());
}

// Nothing that another attempt would mend.
TEST_P(FaultsTest, WhatIsRefusedIsAskedOnce) {
  struct Row {
    int status;
    Code code;
  };
  for (const Row& row :
       {Row{400, Code::kInvalidArgument}, Row{403, Code::kPermissionDenied},
        Row{404, Code::kNotFound}, Row{411, Code::kInvalidArgument},
        Row{412, Code::kAlreadyExists}, Row{413, Code::kResourceExhausted}}) {
    SCOPED_TRACE(row.status);
    Fail(StrCat(
        R"([{"operation":"put","action":"status","code":"Odd","status":)",
        row.status, "}]"));
    Forget();
    const Status s = Put("refused", "x");
    EXPECT_THAT(s, StatusIs(row.code, AllOf(HasSubstr("refused"),
                                            HasSubstr(StrCat(row.status)))));
    EXPECT_EQ(Count("put"), 1u);
  }
}

// Of whoever gives the credentials.
TEST_P(FaultsTest, ATokenServiceMayBeWeakForAMoment) {
  Fail(R"([{"operation":"token","action":"status","status":503,"count":2}])");
  auto store = Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  EXPECT_THAT(Put("k", "x"), IsOk());
  EXPECT_EQ(Count("token"), GetParam() == Kind::kGcs ? 3u : 0u);
}

// With new credentials, once, where there are any.
TEST_P(FaultsTest, ExpiredCredentialsAreRenewed) {
  Fail(R"([{"operation":"put","action":"expired_token","count":1}])");
  const Status s = Put("k", "x");
  if (GetParam() == Kind::kAzure) {
    EXPECT_FALSE(s.ok());  // a key does not expire
  } else {
    EXPECT_THAT(s, IsOk());
  }
  Fail(R"([{"operation":"put","action":"expired_token"}])");
  Forget();
  EXPECT_FALSE(Put("k", "x").ok());
  EXPECT_LE(Count("put"), 2u);
}

TEST_P(FaultsTest, WrongCredentialsAreSaidWithoutASecret) {
  Control("credentials",
          R"({"access_key":"OTHER","secret_key":"else",)"
          R"("azure_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})");
  if (GetParam() == Kind::kGcs) {
    Fail(R"([{"operation":"token","action":"status","status":401}])");
    auto store = Open();
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  const Status s = Put("k", "x");
  EXPECT_FALSE(s.ok());
  EXPECT_TRUE(s.code() == Code::kPermissionDenied ||
              s.code() == Code::kUnauthenticated)
      << s.ToString();
  EXPECT_THAT(s.message(), Not(HasSubstr("secretfodc")));
  EXPECT_THAT(s.message(), Not(HasSubstr("PRIVATE KEY")));
}

// Of hours, either way.
TEST_P(FaultsTest, AClockThatIsWrongIsSetByTheServers) {
  for (const int hours : {-3, 5}) {
    SCOPED_TRACE(hours);
    Control("clock", StrCat(R"({"skew_seconds":)", hours * 3600, "}"));
    auto store = Open();
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    EXPECT_THAT(DoAll(), IsOk());
  }
}

TEST_P(FaultsTest, AFullDestinationIsSaid) {
  Fail(R"([{"operation":"put","action":"full"}])");
  EXPECT_THAT(Put("k", "x"),
              StatusIs(Code::kResourceExhausted, HasSubstr("k")));
  EXPECT_THAT(Get("k"), StatusIs(Code::kNotFound, _));
}

TEST_P(FaultsTest, ABucketThatIsMissingIsSaid) {
  Start({.bucket = ""});
  EXPECT_THAT(store_->List({}, {}), StatusIs(Code::kNotFound, _));
  EXPECT_FALSE(Put("k", "x").ok());
  // A backup's first access makes the container of Azure, and no bucket.
  EXPECT_THAT(store_->Prepare({}), IsOk());
  EXPECT_EQ(Put("k", "x").ok(), GetParam() == Kind::kAzure);
}

TEST_P(FaultsTest, BytesThatChangedOnTheWayAreNoObject) {
  Fail(R"([{"operation":"get","action":"corrupt"}])");
  EXPECT_THAT(Get("there"), StatusIs(Code::kDataLoss, HasSubstr("there")));
}

TEST_P(FaultsTest, AListingThatRepeatsOrNeverEndsIsAnError) {
  Start({.page_size = 2});
  for (int i = 0; i < 7; ++i) ASSERT_THAT(Put(StrCat("l/", i), "x"), IsOk());
  const auto read_all = [this]() -> Status {
    backup::Listing listing(*store_, "l/", {});
    for (;;) {
      FODC_ASSIGN_OR_RETURN(const auto info, listing.Next());
      if (!info) return OkStatus();
    }
  };
  EXPECT_THAT(read_all(), IsOk());
  for (const char* action : {"repeat_page", "endless_list"}) {
    SCOPED_TRACE(action);
    Fail(StrCat(R"([{"operation":"list","action":")", action, R"("}])"));
    EXPECT_THAT(read_all(), StatusIs(Code::kDataLoss, _));
  }
}

// One request of a hundred fails: each costs one more, and no more.
TEST_P(FaultsTest, AFewFailuresCostAFewRequests) {
  Fail(R"([{"operation":"put","action":"status","status":503,"every":100}])");
  for (int i = 0; i < 300; ++i) ASSERT_THAT(Put(StrCat("n", i), "x"), IsOk());
  EXPECT_EQ(Count("put"), 304u);  // the first one, too
}

TEST_P(FaultsTest, ASlowAnswerIsWaitedFor) {
  Fail(R"([{"operation":"get","action":"slow_body","bytes_per_second":20}])");
  EXPECT_THAT(Get("there"), IsOkAndHolds("hello"));
}

class S3FaultsTest : public FaultsTest {};
INSTANTIATE_TEST_SUITE_P(Kinds, S3FaultsTest, ::testing::Values(Kind::kS3),
                         KindName);

// S3 may say 200 before it knows.
TEST_P(S3FaultsTest, AFailureInAGoodAnswerIsOne) {
  Fail(R"([{"operation":"copy","action":"error_in_200","count":1},)"
       R"({"operation":"complete_upload","action":"error_in_200","count":1}])");
  EXPECT_THAT(DoAll(), IsOk());
  Fail(R"([{"operation":"complete_upload","action":"error_in_200"}])");
  EXPECT_FALSE(Put("never", Bytes(kLargeBytes)).ok());
  EXPECT_THAT(Get("never"), StatusIs(Code::kNotFound, _));
}

// Conflicts that pass, by their codes.
TEST_P(S3FaultsTest, WhatPassesIsKnownByItsCode) {
  for (const auto& [status, code] :
       {std::pair{400, "RequestTimeout"}, std::pair{409, "OperationAborted"},
        std::pair{409, "ConditionalRequestConflict"}}) {
    SCOPED_TRACE(code);
    Fail(StrCat(R"([{"operation":"put","action":"status","count":2,"status":)",
                status, R"(,"code":")", code, R"("}])"));
    EXPECT_THAT(Put("k", "x"), IsOk());
  }
}

// The file has other keys by now.
TEST_P(S3FaultsTest, RotatedKeysAreReadAnew) {
  const auto write = [this](const std::string& key, const std::string& secret) {
    return WriteFileAtomically(
        dir_.File("credentials"),
        StrCat("[default]\naws_access_key_id = ", key,
               "\naws_secret_access_key = ", secret, "\n"));
  };
  environment_.clear();
  ASSERT_THAT(write("AKIDFODC", "secretfodc"), IsOk());
  auto store = Open({.s3_credential_file = dir_.File("credentials")});
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  ASSERT_THAT(Put("k", "x"), IsOk());
  ASSERT_THAT(write("AKIDOTHER", "another"), IsOk());
  Control("credentials",
          R"({"access_key":"AKIDOTHER","secret_key":"another"})");
  EXPECT_THAT(Put("k", "y"), IsOk());
  EXPECT_THAT(Get("k"), IsOkAndHolds("y"));
}

}  // namespace
}  // namespace fodc::object_store
