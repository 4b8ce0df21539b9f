// SPDX-License-Identifier: Apache-2.0
// fodcctl incident get over connections that break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/incident_commands.h"
#include "fodc/evidence/sha256.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::ctl {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using test::Exchange;
using test::FakeEndpoint;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string DigestOf(std::string_view bytes) {
  evidence::Sha256 hash;
  hash.Update(bytes);
  return hash.Hex();
}

// The value of a header of a request; empty: none.
std::string Header(std::string_view head, std::string_view name) {
  for (std::string_view line : Split(head, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != line.npos && EqualsIgnoreCase(line.substr(0, colon), name)) {
      return std::string(Trim(line.substr(colon + 1)));
    }
  }
  return "";
}

// A proxy that breaks each of its answers where it is told to.
class IncidentGetTest : public ::testing::Test {
 protected:
  // What the endpoint does to the n-th request.
  using Answer = std::function<void(std::string_view head, Exchange&)>;

  IncidentGetTest()
      : endpoint_([this](std::string_view head, Exchange& e) {
          Answer answer;
          {
            MutexLock lock(mutex_);
            heads_.emplace_back(head);
            answer = answers_.at(std::min(heads_.size(), answers_.size()) - 1);
          }
          answer(head, e);
        }) {}

  // As fodc-proxy answers, with so many bytes of the body and no more.
  static Answer Whole(std::string body, std::size_t sent = ~0ull,
                      std::string etag = "") {
    if (etag.empty()) etag = DigestOf(body);
    return [=](std::string_view head, Exchange& e) {
      const std::string tag = StrCat('"', etag, '"');
      const std::string range = Header(head, "Range");
      std::size_t first = 0;
      if (!range.empty() && Header(head, "If-Range") == tag) {
        first = std::stoul(range.substr(6));
      }
      std::string answer =
          StrCat(first == 0 ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 206 Part\r\n",
                 "ETag: ", tag, "\r\nAccept-Ranges: bytes\r\nContent-Length: ",
                 body.size() - first, "\r\n");
      if (first != 0) {
        answer += StrCat("Content-Range: bytes ", first, '-', body.size() - 1,
                         '/', body.size(), "\r\n");
      }
      e.Send(answer + "\r\n" + body.substr(first, sent));
      if (sent < body.size() - first) e.Close();
    };
  }
  static Answer Error(int status) {
    return [=](std::string_view, Exchange& e) { e.Answer(status, "no\n"); };
  }

  Status Get(std::vector<Answer> answers) {
    {
      MutexLock lock(mutex_);
      answers_ = std::move(answers);
      heads_.clear();
    }
    out_.text.clear();
    errors_.text.clear();
    slept_ = {};
    IncidentCommand command;
    command.action = IncidentCommand::Action::kGet;
    command.query.url = StrCat("http://127.0.0.1:", endpoint_.port());
    command.query.timeout = 1min;
    command.pod_name = "db-0";
    command.id = "5f-2";
    command.artifact = "window.fdr";
    command.path = tree_.path();
    command.force = true;
    return RunIncident(command, &out_, &errors_, clock_,
                       [this](std::chrono::nanoseconds wait) {
                         slept_.push_back(wait);
                         clock_.Advance(wait);
                       });
  }
  std::vector<std::string> heads() {
    MutexLock lock(mutex_);
    return heads_;
  }
  std::string File() { return *ReadFile(tree_.File("window.fdr")); }
  std::vector<std::string> Files() { return *ListDirectory(tree_.path()); }

  FakeClock clock_;
  StringOutput out_;
  StringOutput errors_;
  std::vector<std::chrono::nanoseconds> slept_;
  TempDirectory tree_{"fodc-get"};
  const std::string body_ = "0123456789";

 private:
  Mutex mutex_;  // the endpoint answers on a thread of its own
  std::vector<Answer> answers_ FODC_GUARDED_BY(mutex_);
  std::vector<std::string> heads_ FODC_GUARDED_BY(mutex_);
  FakeEndpoint endpoint_;
};

TEST_F(IncidentGetTest, GoesOnWhereTheConnectionBroke) {
  ASSERT_THAT(Get({Whole(body_, 3), Error(503), Error(404), Whole(body_, 2),
                   Whole(body_)}),
              IsOk());
  EXPECT_EQ(File(), body_);
  EXPECT_THAT(Files(), ElementsAre("window.fdr"));
  EXPECT_THAT(out_.text,
              AllOf(HasSubstr("10 bytes"), HasSubstr(DigestOf(body_)),
                    HasSubstr(", as its receipt says\n")));
  const auto asked = heads();
  ASSERT_THAT(asked, SizeIs(5));
  EXPECT_THAT(asked[0],
              HasSubstr("GET /incidents/db-0/5f-2/window.fdr HTTP/1.1\r\n"));
  EXPECT_EQ(Header(asked[0], "Range"), "");
  for (const int i : {1, 2, 3})
    EXPECT_EQ(Header(asked[i], "Range"), "bytes=3-");
  EXPECT_EQ(Header(asked[4], "Range"), "bytes=5-");
  EXPECT_EQ(Header(asked[4], "If-Range"), StrCat('"', DigestOf(body_), '"'));
  // The waits grow until something came.
  EXPECT_THAT(slept_, ElementsAre(500ms, 1s, 2s, 500ms));
  EXPECT_THAT(errors_.text, HasSubstr("after 3 bytes: "));
  EXPECT_THAT(errors_.text, HasSubstr("asking again for the rest\n"));
}

TEST_F(IncidentGetTest, BeginsAnewWhenItHasChanged) {
  const std::string other = "abcdef";
  ASSERT_THAT(Get({Whole(body_, 8), Whole(other, 2), Whole(other)}), IsOk());
  EXPECT_EQ(File(), other);
  EXPECT_THAT(out_.text, HasSubstr(DigestOf(other)));
  EXPECT_EQ(Header(heads().at(2), "Range"), "bytes=2-");
  EXPECT_EQ(Header(heads().at(2), "If-Range"),
            StrCat('"', DigestOf(other), '"'));
}

// As capsules, and the files of v1 agents, come.
TEST_F(IncidentGetTest, BeginsAnewWhereThereAreNoRanges) {
  const auto plain = [this](bool is_cut) -> Answer {
    return [=, this](std::string_view, Exchange& e) {
      e.Send(
          StrCat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n",
                 body_, is_cut ? "\r\n" : "\r\n0\r\n\r\n"));
      if (is_cut) e.Close();
    };
  };
  ASSERT_THAT(Get({plain(true), plain(true), plain(false)}), IsOk());
  EXPECT_EQ(File(), body_);
  EXPECT_THAT(out_.text, HasSubstr(", which no receipt tells\n"));
  for (const auto& head : heads()) EXPECT_EQ(Header(head, "Range"), "");
  EXPECT_THAT(errors_.text, HasSubstr("asking again for the whole\n"));
}

TEST_F(IncidentGetTest, NoPartIsTakenForAnother) {
  const auto wrong = [this](const std::string& range,
                            const std::string& tag) -> Answer {
    return [=](std::string_view, Exchange& e) {
      e.Answer(206, "xyz", "application/octet-stream",
               StrCat("ETag: \"", tag, "\"\r\nContent-Range: bytes ", range,
                      "\r\n"));
    };
  };
  const std::string tag = DigestOf(body_);
  for (const auto& answer :
       {wrong("2-4/10", tag), wrong("33-35/36", tag), wrong("", tag),
        wrong("3-5/6", DigestOf("other"))}) {
    ASSERT_THAT(Get({Whole(body_, 3), answer, Whole(body_)}), IsOk());
    EXPECT_EQ(File(), body_);
    EXPECT_EQ(Header(heads().at(2), "Range"), "") << "anew, and whole";
  }
  ASSERT_THAT(Get({Whole(body_, 3), Error(416), Whole(body_)}), IsOk());
  EXPECT_EQ(Header(heads().at(2), "Range"), "");
  EXPECT_EQ(File(), body_);
}

TEST_F(IncidentGetTest, WhatIsNotWhatItsDigestSaysLeavesNothing) {
  const std::string tag = DigestOf("something else");
  EXPECT_THAT(Get({Whole(body_, ~0ull, tag)}),
              StatusIs(Code::kDataLoss, HasSubstr(tag)));
  EXPECT_THAT(heads(), SizeIs(1));
  // Nor what was put together of two parts.
  EXPECT_THAT(Get({Whole(body_, 4, tag), Whole("9876543210", ~0ull, tag)}),
              StatusIs(Code::kDataLoss, HasSubstr(tag)));
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(out_.text, "");
}

TEST_F(IncidentGetTest, GivesUpInTheEnd) {
  EXPECT_THAT(Get({Whole(body_, 3), Error(503)}),
              StatusIs(Code::kUnavailable,
                       AllOf(HasSubstr("503"),
                             HasSubstr("after 8 tries that brought no more"))));
  EXPECT_THAT(heads(), SizeIs(9));
  EXPECT_EQ(slept_.back(), 8s);
  EXPECT_THAT(Files(), IsEmpty());
  // A byte each time is progress, but the time is bounded all the same.
  const std::string large(20'000, 'x');
  EXPECT_THAT(Get({Whole(large, 1)}),
              StatusIs(Code::kDeadlineExceeded, HasSubstr("no time")));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(IncidentGetTest, WhatNeverBeganIsNotAskedForTwice) {
  for (const int status : {404, 403, 503, 500}) {
    EXPECT_THAT(Get({Error(status)}), Not(IsOk()));
    EXPECT_THAT(heads(), SizeIs(1)) << status;
  }
  EXPECT_THAT(Get({[](std::string_view, Exchange& e) {
                e.Send("SSH-2.0\r\n");
                e.Close();
              }}),
              Not(IsOk()));
  EXPECT_THAT(heads(), SizeIs(1));
  // Nor is what will not be otherwise.
  EXPECT_THAT(Get({Whole(body_, 3), Error(403)}), Not(IsOk()));
  EXPECT_THAT(heads(), SizeIs(2));
  EXPECT_THAT(Files(), IsEmpty());
}

}  // namespace
}  // namespace fodc::ctl
