// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/batch_delete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Keys = std::vector<std::string>;

class BatchDeleteTest : public ::testing::Test {
 protected:
  // Answers of 202 but for `statuses_`.
  Result<std::vector<BatchAnswer>> Some(const Keys& keys) {
    batches_.push_back(keys);
    if (!refusal_.ok()) return refusal_;
    std::vector<BatchAnswer> answers;
    for (const std::string& key : keys) {
      auto& next = statuses_[key];
      BatchAnswer answer{.status = next.empty() ? 202 : next.front()};
      if (!next.empty()) next.erase(next.begin());
      answer.body = StrCat("code of ", key);
      answers.push_back(std::move(answer));
    }
    return answers;
  }
  Status Delete(const Keys& keys) { return deletes_.Delete(keys, {}); }

  std::map<std::string, std::vector<int>> statuses_;
  Status refusal_;
  std::vector<Keys> batches_;
  Keys alone_;
  BatchDelete deletes_{
      {.store = "X",
       .most = 3,
       .one =
           [this](const std::string& key, const std::stop_token& stop) {
             if (stop.stop_requested()) return Cancelled("stopped");
             alone_.push_back(key);
             return key == "bad" ? PermissionDenied("bad") : OkStatus();
           },
       .some = [this](const Keys& keys,
                      const std::stop_token&) { return Some(keys); },
       .read_error =
           [](const HttpAnswer& answer) {
             return ServiceError{.code = answer.body};
           },
       .is_of_bucket =
           [](const ServiceError& e) { return e.code == "code of bucket"; }}};
};

TEST_F(BatchDeleteTest, TakesAsManyAsAreAllowedAndTheLastAlone) {
  EXPECT_THAT(Delete({"a", "b", "c", "d", "e", "f", "g"}), IsOk());
  EXPECT_THAT(batches_, ElementsAre(ElementsAre("a", "b", "c"),
                                    ElementsAre("d", "e", "f")));
  EXPECT_THAT(alone_, ElementsAre("g"));
  EXPECT_THAT(Delete({}), IsOk());
}

TEST_F(BatchDeleteTest, WhatIsNotThereIsDeletedAndTheFirstFailureIsTold) {
  statuses_ = {{"a", {404}}, {"b", {403}}, {"c", {412}}};
  EXPECT_THAT(
      Delete({"a", "b", "c", "d", "e"}),
      StatusIs(Code::kPermissionDenied, "X: delete b: HTTP 403: code of b"));
  EXPECT_EQ(batches_.size(), 2U);  // all are tried
  statuses_ = {{"bucket", {404}}};
  EXPECT_THAT(Delete({"bucket", "b"}),
              StatusIs(Code::kNotFound, HasSubstr("delete bucket")));
}

// In a smaller batch, and the last of them alone.
TEST_F(BatchDeleteTest, WhatPassesIsTriedAgain) {
  statuses_ = {{"a", {503, 0}}, {"b", {500, 202}}};
  EXPECT_THAT(Delete({"a", "b", "c"}), IsOk());
  EXPECT_THAT(batches_,
              ElementsAre(ElementsAre("a", "b", "c"), ElementsAre("a", "b")));
  EXPECT_THAT(alone_, ElementsAre("a"));
  // Each alone if that does not end.
  batches_.clear();
  alone_.clear();
  statuses_ = {{"a", {503, 503, 503}}, {"b", {401, 429, 408}}};
  EXPECT_THAT(Delete({"a", "b", "c"}), IsOk());
  EXPECT_EQ(batches_.size(), 3U);
  EXPECT_THAT(alone_, ElementsAre("a", "b"));
}

TEST_F(BatchDeleteTest, AServiceWithoutBatchesIsAskedOnce) {
  for (const Status& s :
       {InvalidArgument("400"), NotFound("404"), FailedPrecondition("501")}) {
    SCOPED_TRACE(s.ToString());
    refusal_ = s;
    EXPECT_THAT(Delete({"a", "bad", "c", "d", "e"}),
                StatusIs(Code::kPermissionDenied, "bad"));
  }
  EXPECT_EQ(batches_.size(), 1U);
  EXPECT_EQ(alone_.size(), 15U);
}

TEST_F(BatchDeleteTest, AServiceThatIsAwayIsNotAskedForEachKey) {
  refusal_ = Unavailable("away");
  EXPECT_THAT(Delete({"a", "b", "c", "d", "e"}),
              StatusIs(Code::kUnavailable, "away"));
  EXPECT_EQ(batches_.size(), 2U);
  EXPECT_THAT(alone_, ElementsAre());
  refusal_ = OkStatus();
  EXPECT_THAT(Delete({"a", "b"}), IsOk());
  EXPECT_EQ(batches_.size(), 3U);
}

TEST_F(BatchDeleteTest, IsStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(deletes_.Delete({"a", "b"}, stop.get_token()),
              StatusIs(Code::kCancelled, "stopped"));
  EXPECT_THAT(deletes_.Delete({"a"}, stop.get_token()),
              StatusIs(Code::kCancelled, "stopped"));
  EXPECT_THAT(batches_, ElementsAre());
}

}  // namespace
}  // namespace fodc::object_store
