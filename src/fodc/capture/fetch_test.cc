// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "fodc/evidence/event_store_testing.h"
#include "fodc/evidence/sha256.h"
#include "fodc/net/http_test_peer.h"
#include "tests/support/gzip.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using evidence::EventStep;
using evidence::StepOutcome;
using net::RawServer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHeapText[] = "heap profile: 1: 2 [ 3: 4] @ heapprofile\n";

bool Answer(int fd, std::string_view status, std::string_view body,
            std::string_view headers = "") {
  RawServer::Send(fd, StrCat("HTTP/1.1 ", status, "\r\nContent-Length: ",
                             body.size(), "\r\n", headers, "\r\n"));
  return RawServer::Send(fd, body);
}

class FetchTest : public evidence::EventStoreTest {
 protected:
  EventStep Run(const std::vector<std::string>& urls,
                std::chrono::nanoseconds deadline = 60s,
                std::uint64_t max_bytes = 1 << 20) {
    Fetch fetch = {.step = "heap",
                   .file = "heap.pprof",
                   .urls = urls,
                   .unix_socket = unix_socket_,
                   .content = content_,
                   .max_bytes = max_bytes,
                   .deadline = deadline,
                   .check_peer = check_peer_};
    Fetched fetched =
        RunFetch(fetch, client_, *writer_, stop_.get_token(), SystemClock());
    may_come_later_ = fetched.may_come_later;
    return std::move(fetched.receipt);
  }
  EventStep Serve(RawServer::Serve serve,
                  std::chrono::nanoseconds deadline = 60s,
                  std::uint64_t max_bytes = 1 << 20) {
    const RawServer server(std::move(serve));
    return Run({server.Url("/heap")}, deadline, max_bytes);
  }
  std::string File() const {
    return ReadFile(Path(writer_->id(), "heap.pprof")).value_or("none");
  }
  bool IsEmpty() const {
    return ListDirectory(Path(writer_->id())).value().empty();
  }

  Fetch::Content content_ = Fetch::Content::kProfile;
  std::function<Status()> check_peer_;
  std::string unix_socket_;
  std::stop_source stop_;
  bool may_come_later_ = false;  // of the last Run
  net::HttpClient client_;
  std::unique_ptr<evidence::EventWriter> writer_ =
      store_->Begin(now_, evidence::kPlenty).value();
};

TEST_F(FetchTest, KeepsTheBodyAsItIsServed) {
  const std::string body = test::Gzip(kHeapText);
  const EventStep step = Serve([&](int fd, const std::string& request) {
    EXPECT_THAT(request, AllOf(HasSubstr("GET /heap "),
                               Not(HasSubstr("Accept-Encoding"))));
    return Answer(fd, "200 OK", body);
  });
  EXPECT_EQ(step.outcome, StepOutcome::kComplete) << step.reason;
  EXPECT_EQ(step.file, "heap.pprof");
  EXPECT_THAT(step.source, HasSubstr("/heap"));
  EXPECT_EQ(step.bytes, body.size());
  EXPECT_EQ(File(), body);
  evidence::Sha256 sha;
  sha.Update(body);
  EXPECT_EQ(step.sha256, sha.Hex());
}

TEST_F(FetchTest, ASocketOfThisMachineIsAskedInstead) {
  const std::string path = tree_.File("pprof.sock");
  const RawServer server(
      net::ListenUnix(path), [](int fd, const std::string& request) {
        EXPECT_THAT(request, HasSubstr("GET /debug/pprof/heap "));
        return Answer(fd, "200 OK", kHeapText);
      });
  unix_socket_ = path;
  const EventStep step = Run({"http://localhost/debug/pprof/heap"});
  EXPECT_EQ(step.outcome, StepOutcome::kComplete) << step.reason;
  EXPECT_EQ(step.source, StrCat("unix:", path, ":/debug/pprof/heap"));
  EXPECT_EQ(File(), kHeapText);
}

TEST_F(FetchTest, ASocketThatIsNotThereIsAFailure) {
  unix_socket_ = tree_.File("none.sock");
  const EventStep step = Run({"http://localhost/debug/pprof/heap"});
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, GoesOnAfter404) {
  const RawServer server([&](int fd, const std::string& request) {
    return request.starts_with("GET /a ")
               ? Answer(fd, "404 Not Found", "no such page\n")
               : Answer(fd, "200 OK", kHeapText);
  });
  const EventStep step = Run({server.Url("/a"), server.Url("/b")});
  EXPECT_EQ(step.outcome, StepOutcome::kComplete) << step.reason;
  EXPECT_THAT(step.source, HasSubstr("/b"));
  EXPECT_EQ(File(), kHeapText);
}

TEST_F(FetchTest, A404EverywhereIsAFailure) {
  const EventStep step = Serve([](int fd, const std::string&) {
    return Answer(fd, "404 Not Found", "no such page\n");
  });
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_EQ(step.reason, "HTTP 404: no such page");
  EXPECT_EQ(step.file, "");
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, AnEmptyAnswerIsNone) {
  content_ = Fetch::Content::kAnything;  // a page
  const EventStep step = Serve(
      [](int fd, const std::string&) { return Answer(fd, "200 OK", ""); });
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_EQ(step.reason, "the answer is empty");
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, AnErrorIsNotAskedAgain) {
  const RawServer server([](int fd, const std::string&) {
    return Answer(fd, "500 Oops", "out of\nmemory");
  });
  const EventStep step = Run({server.Url("/a"), server.Url("/b")});
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_EQ(step.reason, "HTTP 500: out of");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, NobodyThereIsAFailure) {
  const EventStep step = Run({"http://127.0.0.1:1/heap"});
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_NE(step.reason, "");
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, ASilentEndpointIsAFailureAtTheDeadline) {
  const EventStep step = Serve(
      [](int fd, const std::string&) {
        RawServer::WaitForClient(fd);
        return false;
      },
      50ms);
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_THAT(step.reason, HasSubstr("deadline"));
  EXPECT_TRUE(IsEmpty());
}

// Sends the beginning and then a byte now and then.
TEST_F(FetchTest, AnEndlessBodyIsCutAtTheDeadline) {
  const EventStep step = Serve(
      [](int fd, const std::string&) {
        RawServer::Send(fd, "HTTP/1.1 200 OK\r\n\r\n");
        RawServer::Send(fd, kHeapText);
        while (RawServer::Send(fd, "1: 2 [3: 4] @ 0x1\n")) {
          std::this_thread::sleep_for(1ms);
        }
        return false;
      },
      300ms);
  EXPECT_EQ(step.outcome, StepOutcome::kCut);
  EXPECT_THAT(step.reason, HasSubstr("deadline"));
  EXPECT_EQ(File().substr(0, sizeof kHeapText - 1), kHeapText);
  EXPECT_EQ(step.bytes, File().size());
}

TEST_F(FetchTest, ABodyBeyondItsLimitIsCutThere) {
  std::string body = kHeapText;
  body.append(1 << 20, 'x');
  for (const bool tells_length : {true, false}) {
    const EventStep step = Serve(
        [&](int fd, const std::string&) {
          if (tells_length) return Answer(fd, "200 OK", body);
          RawServer::Send(fd, "HTTP/1.1 200 OK\r\n\r\n");
          RawServer::Send(fd, body);
          return false;
        },
        60s, 100'000);
    EXPECT_EQ(step.outcome, StepOutcome::kCut);
    EXPECT_THAT(step.reason, HasSubstr("limit of 100000"));
    EXPECT_EQ(step.bytes, 100'000u);
    EXPECT_EQ(File(), body.substr(0, 100'000));
    writer_ = store_->Begin(now_ + 1s, evidence::kPlenty).value();
  }
}

TEST_F(FetchTest, ABodyThatBreaksOffIsCut) {
  const std::string body = test::Gzip(std::string(kHeapText));
  const EventStep step = Serve([&](int fd, const std::string&) {
    RawServer::Send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    RawServer::Send(fd, body.substr(0, 30));
    return false;
  });
  EXPECT_EQ(step.outcome, StepOutcome::kCut) << step.reason;
  EXPECT_EQ(File(), body.substr(0, 30));
}

TEST_F(FetchTest, WhatIsNoProfileIsNotKept) {
  std::string garbage = test::Gzip(kHeapText);
  std::fill(garbage.begin() + 12, garbage.end(), '\xff');
  for (const std::string& body :
       {std::string("<html>log in</html>"), garbage, std::string()}) {
    const EventStep step = Serve(
        [&](int fd, const std::string&) { return Answer(fd, "200 OK", body); });
    EXPECT_EQ(step.outcome, StepOutcome::kFailed);
    EXPECT_THAT(step.reason, HasSubstr("no profile"));
    EXPECT_TRUE(IsEmpty());
  }
  content_ = Fetch::Content::kAnything;
  const EventStep page = Serve([](int fd, const std::string&) {
    return Answer(fd, "200 OK", "<html>log in</html>");
  });
  EXPECT_EQ(page.outcome, StepOutcome::kComplete);
}

TEST_F(FetchTest, ALargeProfileThatIsDamagedInItIsKeptAndSaidSo) {
  std::string noise(3 << 20, '\0');
  std::uint32_t state = 1;
  for (char& c : noise) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  std::string body = test::Gzip(StrCat(kHeapText, noise));
  body[body.size() - 1000] ^= 1;
  const EventStep step = Serve(
      [&](int fd, const std::string&) { return Answer(fd, "200 OK", body); },
      60s, 16 << 20);
  EXPECT_EQ(step.outcome, StepOutcome::kCut);
  EXPECT_THAT(step.reason, HasSubstr("damaged"));
  EXPECT_EQ(step.bytes, body.size());
  EXPECT_EQ(File(), body);
}

TEST_F(FetchTest, ARedirectIsNotFollowed) {
  const EventStep step = Serve([](int fd, const std::string&) {
    return Answer(fd, "302 Found", "", "Location: http://127.0.0.1:1/\r\n");
  });
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_THAT(step.reason, HasSubstr("302"));
}

TEST_F(FetchTest, WhoeverAnswersForAnotherIsNotBelieved) {
  check_peer_ = [] { return NotFound("another one"); };
  const EventStep step = Serve([](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  });
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_THAT(step.reason, HasSubstr("another one"));
  EXPECT_TRUE(IsEmpty());
}

TEST_F(FetchTest, AStopKeepsWhatCame) {
  const EventStep step = Serve(
      [this](int fd, const std::string&) {
        RawServer::Send(fd, "HTTP/1.1 200 OK\r\n\r\n");
        RawServer::Send(fd, kHeapText);
        stop_.request_stop();
        RawServer::WaitForClient(fd);
        return false;
      },
      600s);
  EXPECT_NE(step.outcome, StepOutcome::kComplete);
  EXPECT_THAT(step.reason, HasSubstr("cancelled"));
}

TEST_F(FetchTest, PasswordsAreNotTold) {
  const RawServer server([](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  });
  const EventStep step =
      Run({StrCat("http://u:hunter2@127.0.0.1:", server.port(), "/heap")});
  EXPECT_EQ(step.outcome, StepOutcome::kComplete);
  EXPECT_EQ(step.source, server.Url("/heap"));
}

TEST_F(FetchTest, ADirectoryThatIsGoneIsAFailure) {
  ASSERT_EQ(evidence::Shell("rm -r " + Path(writer_->id())), 0);
  const EventStep step = Serve([](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  });
  EXPECT_EQ(step.outcome, StepOutcome::kFailed);
  EXPECT_NE(step.reason, "");
}

}  // namespace
}  // namespace fodc::capture
