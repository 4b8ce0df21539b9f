// SPDX-License-Identifier: Apache-2.0
// The profile endpoints as clients see them, good ones and bad ones. In this
// process no allocator samples: a heap profile is 501 here; src/testing has
// programs where it is not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guard/profile.h"
#include "fodc/pprof/profile.h"
#include "profile_client_testing.h"
#include "profile_endpoints.h"
#include "thread_asker.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<ProfileServer> Serve(ProfileServerOptions options) {
  if (options.listen == ProfileServerOptions().listen) {
    options.listen = "127.0.0.1:0";
  }
  auto server = ProfileServer::Create(std::move(options));
  EXPECT_THAT(server, IsOk());
  return *std::move(server);
}

// The body of an answer in chunks.
std::string Unchunked(std::string_view answer) {
  EXPECT_THAT(std::string(answer), HasSubstr("Transfer-Encoding: chunked"));
  answer.remove_prefix(answer.find("\r\n\r\n") + 4);
  std::string body;
  for (;;) {
    const std::size_t end = answer.find("\r\n");
    const auto size =
        std::stoul(std::string(answer.substr(0, end)), nullptr, 16);
    answer.remove_prefix(end + 2);
    if (size == 0) break;
    body += answer.substr(0, size);
    answer.remove_prefix(size + 2);
  }
  EXPECT_EQ(answer, "\r\n");
  return body;
}

TEST(ProfileServerTest, ListsWhatThereIs) {
  const auto server = Serve({});
  const std::string index = Get(server->address(), "/debug/pprof/");
  EXPECT_THAT(index, StartsWith("HTTP/1.1 200 OK\r\n"));
  for (const char* name :
       {"heap", "threads", "allocator", "cmdline", "symbol"}) {
    EXPECT_THAT(index, HasSubstr(StrCat("/debug/pprof/", name, "  ")));
  }
  EXPECT_THAT(Get(server->address(), "/debug/pprof/none"),
              StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get(server->address(), "/"), StartsWith("HTTP/1.1 404 "));
}

TEST(ProfileServerTest, GivesItsCommandLineAndNames) {
  const auto server = Serve({});
  EXPECT_THAT(Get(server->address(), "/debug/pprof/cmdline"),
              HasSubstr("guard_test"));
  EXPECT_THAT(Get(server->address(), "/debug/pprof/symbol"),
              HasSubstr("num_symbols: 1\n"));
  // dladdr knows functions of libraries.
  const std::string address = StrCat("0x", [] {
    char text[32];
    snprintf(text, sizeof(text), "%lx",
             reinterpret_cast<unsigned long>(&getpid));
    return std::string(text);
  }());
  const std::string body = address + "+0x10+zz";
  const std::string answer =
      Ask(server->address(),
          StrCat("POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: ",
                 body.size(), "\r\n\r\n", body));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n"));
#if !defined(FODC_SANITIZED)
  EXPECT_THAT(answer, HasSubstr(address + "\t"));
  EXPECT_THAT(answer, HasSubstr("getpid"));
#endif
  EXPECT_THAT(answer, Not(HasSubstr("zz")));
}

// A short question must not have a process that is short of memory make an
// answer of megabytes.
TEST(SymbolNamesTest, AnAnswerIsBounded) {
  char address[32];
  (void)snprintf(address, sizeof(address), "0x%lx+",
                 reinterpret_cast<unsigned long>(&getpid));
  std::string asked;
  while (asked.size() < 4 * kMaxSymbolBytes) asked += address;
  const std::string answer = SymbolNames(asked);
  EXPECT_LE(answer.size(), kMaxSymbolBytes);
  EXPECT_GT(answer.size(), kMaxSymbolBytes - 100);
  EXPECT_EQ(answer.back(), '\n');
}

TEST(ProfileServerTest, ServesTheStacksOfAllThreads) {
  const auto server = Serve({});
  std::latch is_there(1);
  std::latch is_seen(1);
  std::thread other([&] {
    pthread_setname_np(pthread_self(), "known-by-name");
    is_there.count_down();
    is_seen.wait();
  });
  is_there.wait();
  const auto p = pprof::ReadProfile(
      Unchunked(Get(server->address(), "/debug/pprof/threads")));
  is_seen.count_down();
  other.join();
  ASSERT_THAT(p, IsOk());
  EXPECT_EQ(p->Text(p->sample_types()[0].type), "threads");
  bool has_other = false;
  std::size_t stacks = 0;
  pprof::SampleReader samples(*p);
  for (std::size_t i = 0; i < p->sample_count(); ++i) {
    const pprof::SampleReader::Sample sample = samples.Read(i);
    EXPECT_EQ(sample.values[0], 1);
    const auto labels = samples.ReadLabels(i);
    ASSERT_EQ(labels.size(), 3u);
    has_other = has_other || (p->Text(labels[0].text) == "known-by-name" &&
                              sample.locations.size() >= 3);
    if (!sample.locations.empty()) ++stacks;
  }
  // ThreadSanitizer holds signals back from a thread that waits.
#if !defined(FODC_TSAN)
  EXPECT_TRUE(has_other);
  EXPECT_GE(stacks, 3u);  // this one, the other, and the server's
#endif
}

TEST(ProfileServerTest, AThreadThatBlocksTheSignalIsToldWithoutAStack) {
  const TempDirectory dir;
  const UniqueFd fd(
      open(dir.File("t").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  std::latch is_there(1);
  std::latch is_seen(1);
  std::thread other([&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, ThreadProfileSignal());
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    pthread_setname_np(pthread_self(), "deaf");
    is_there.count_down();
    is_seen.wait();
    // The signal that was meant for the profile comes now, and harms nobody.
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  });
  is_there.wait();
  ASSERT_THAT(WriteThreadProfile(fd.get()), IsOk());
  is_seen.count_down();
  other.join();
  const auto p = pprof::ReadProfile(ReadFile(dir.File("t")).value_or(""));
  ASSERT_THAT(p, IsOk());
  bool has_deaf = false;
  pprof::SampleReader samples(*p);
  for (std::size_t i = 0; i < p->sample_count(); ++i) {
    const auto labels = samples.ReadLabels(i);
    ASSERT_FALSE(labels.empty());
    if (p->Text(labels[0].text) != "deaf") continue;
    has_deaf = true;
    EXPECT_TRUE(samples.Read(i).locations.empty());
  }
  EXPECT_TRUE(has_deaf);
}

// Two thousand threads are too many for a sanitizer.
#if !defined(FODC_SANITIZED)
TEST(ProfileServerTest, ThreadsBeyondTheLimitAreCounted) {
  constexpr std::size_t kBeyond = 5;
  const TempDirectory dir;
  const UniqueFd fd(
      open(dir.File("t").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  std::latch is_seen(1);
  std::vector<std::thread> others;
  for (std::size_t i = 0; i < ThreadAsker::kMaxThreads + kBeyond; ++i) {
    others.emplace_back([&is_seen] { is_seen.wait(); });
  }
  EXPECT_THAT(WriteThreadProfile(fd.get()), IsOk());
  is_seen.count_down();
  for (std::thread& other : others) other.join();
  const auto p = pprof::ReadProfile(ReadFile(dir.File("t")).value_or(""));
  ASSERT_THAT(p, IsOk());
  // And the one that asked.
  EXPECT_EQ(p->sample_count(), ThreadAsker::kMaxThreads + 1);
  ASSERT_EQ(p->comments().size(), 1u);
  EXPECT_EQ(p->Text(p->comments()[0]), "5 more threads are not here");
}
#endif

TEST(ProfileServerTest, SaysWhyThereIsNoHeapProfile) {
  const auto server = Serve({});
  const std::string answer = Get(server->address(), "/debug/pprof/heap");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 501 "));
  EXPECT_THAT(answer, HasSubstr("fodc-guard-sampler"));
}

TEST(ProfileServerTest, AnOldClientGetsNoChunks) {
  const auto server = Serve({});
  const std::string answer =
      Ask(server->address(), "GET /debug/pprof/threads HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
  const std::size_t body = answer.find("\r\n\r\n") + 4;
  EXPECT_THAT(pprof::ReadProfile(answer.substr(body)), IsOk());
}

TEST(ProfileServerTest, RefusesAnotherMethod) {
  const auto server = Serve({});
  const std::string answer =
      Ask(server->address(),
          "DELETE /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: GET\r\n"));
  EXPECT_THAT(Ask(server->address(),
                  "POST /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n"
                  "Content-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

TEST(ProfileServerTest, WantsItsToken) {
  ProfileServerOptions options;
  options.token = "s3cret";
  const auto server = Serve(options);
  const std::string without = Get(server->address(), "/debug/pprof/");
  EXPECT_THAT(without, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(without, HasSubstr("WWW-Authenticate: Bearer\r\n"));
  for (const char* wrong : {"Bearer s3cre", "Bearer s3cret1", "Bearer S3cret",
                            "Basic s3cret", "s3cret", "Bearer "}) {
    EXPECT_THAT(Get(server->address(), "/debug/pprof/",
                    StrCat("Authorization: ", wrong, "\r\n")),
                StartsWith("HTTP/1.1 401 "))
        << wrong;
  }
  EXPECT_THAT(Get(server->address(), "/debug/pprof/",
                  "Authorization: Bearer s3cret\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST(ProfileServerTest, EndsEndlessHeaders) {
  const auto server = Serve({});
  const UniqueFd fd = Connect(server->address());
  Send(fd.get(), "GET /debug/pprof/heap HTTP/1.1\r\n");
  std::string answer;
  std::thread reader([&] { answer = ReadAll(fd.get()); });
  const std::string header = "X-More: " + std::string(500, 'x') + "\r\n";
  while (send(fd.get(), header.data(), header.size(), MSG_NOSIGNAL) > 0) {
  }
  reader.join();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
}

TEST(ProfileServerTest, ASlowRequestIsTimedOut) {
  ProfileServerOptions options;
  options.request_timeout = 50ms;
  const auto server = Serve(options);
  const UniqueFd silent = Connect(server->address());
  EXPECT_THAT(ReadAll(silent.get()), StartsWith("HTTP/1.1 408 "));
  const UniqueFd slow = Connect(server->address());
  Send(slow.get(), "GET /debug/pprof/heap HTTP/1.1\r\nHo");
  EXPECT_THAT(ReadAll(slow.get()), StartsWith("HTTP/1.1 408 "));
}

TEST(ProfileServerTest, FurtherConnectionsAreClosed) {
  ProfileServerOptions options;
  options.max_connections = 2;
  const auto server = Serve(options);
  const UniqueFd first = Connect(server->address());
  const UniqueFd second = Connect(server->address());
  const UniqueFd third = Connect(server->address());
  EXPECT_EQ(ReadAll(third.get()), "");
  Send(first.get(), "GET /debug/pprof/ HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(ReadAll(first.get()), StartsWith("HTTP/1.1 200 "));
}

TEST(ProfileServerTest, OneProfileAtATimeInTheProcess) {
  auto metrics = Metrics::Create();
  ASSERT_THAT(metrics, IsOk());
  ProfileServerOptions options;
  options.metrics = metrics->get();
  const auto server = Serve(options);
  {
    const ProfileTurn turn;  // somebody else's
    ASSERT_TRUE(turn.is_ours());
    const std::string answer = Get(server->address(), "/debug/pprof/threads");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("Retry-After: 1\r\n"));
    EXPECT_EQ(WriteThreadProfile(STDERR_FILENO).code(), Code::kUnavailable);
    EXPECT_EQ(WriteHeapProfile(STDERR_FILENO).code(), Code::kUnavailable);
    // What is no profile is answered all the same.
    EXPECT_THAT(Get(server->address(), "/debug/pprof/cmdline"),
                StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(Get(server->address(), "/debug/pprof/threads"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(server->address(), "/debug/pprof/none"),
              StartsWith("HTTP/1.1 404 "));
  std::string page;
  ASSERT_THAT((*metrics)->AppendTextPage(&page), IsOk());
  const std::string name = "fodc_guard_profile_requests_total{result=";
  EXPECT_THAT(page, HasSubstr(name + "\"busy\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(name + "\"served\"} 2\n"));
  EXPECT_THAT(page, HasSubstr(name + "\"refused\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(name + "\"failed\"} 0\n"));
}

TEST(ProfileServerTest, RefusesOptionsOutOfRange) {
  const auto code = [](const auto& change) {
    ProfileServerOptions options;
    options.listen = "127.0.0.1:0";
    change(&options);
    return ProfileServer::Create(std::move(options)).status().code();
  };
  using O = ProfileServerOptions;
  for (const char* address :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
        "example.org:80", "::1:80", "[::1]", "unix:", "[127.0.0.1]:80"}) {
    EXPECT_EQ(code([&](O* o) { o->listen = address; }), Code::kInvalidArgument)
        << address;
  }
  EXPECT_EQ(code([](O* o) { o->listen = "unix:" + std::string(200, 'x'); }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](O* o) { o->listen = "0.0.0.0:0"; }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](O* o) { o->listen = "[::]:0"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](O* o) {
              o->listen = "0.0.0.0:0";
              o->token = "t";
            }),
            Code::kOk);
  EXPECT_EQ(code([](O* o) { o->token = "with\nline"; }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](O* o) { o->max_connections = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](O* o) { o->max_connections = 65; }),
            Code::kInvalidArgument);
  for (const auto bad : {0ms, 86'400'001ms, std::chrono::milliseconds::max()}) {
    EXPECT_EQ(code([bad](O* o) { o->request_timeout = bad; }),
              Code::kInvalidArgument);
    EXPECT_EQ(code([bad](O* o) { o->response_timeout = bad; }),
              Code::kInvalidArgument);
  }
}

TEST(ProfileServerTest, ListensOnAUnixSocketForItsUserAlone) {
  const TempDirectory dir;
  const std::string path = dir.File("pprof.sock");
  ProfileServerOptions options;
  options.listen = "unix:" + path;
  {
    const auto server = Serve(options);
    struct stat st = {};
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    EXPECT_THAT(Get(server->address(), "/debug/pprof/"),
                StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(ProfileServer::Create(options).status().code(),
              Code::kAlreadyExists);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  // One that a killed process left is taken over; a file is not.
  {
    const UniqueFd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    ASSERT_EQ(
        bind(left.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  }
  EXPECT_THAT(Get(Serve(options)->address(), "/debug/pprof/"),
              StartsWith("HTTP/1.1 200 "));
  ASSERT_THAT(WriteFileAtomically(path, "precious"), IsOk());
  EXPECT_EQ(ProfileServer::Create(options).status().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(*ReadFile(path), "precious");
}

TEST(ProfileServerTest, TellsItsHostWhereItListens) {
  std::string told;
  ProfileServerOptions options;
  options.events = [&told](const Event& e) {
    told += std::string(e.message);
    for (const EventField& f : e.fields) {
      told += StrCat(" ", f.key, "=", f.value);
    }
  };
  const auto server = Serve(options);
  EXPECT_THAT(told, StartsWith("profile endpoints enabled address=" +
                               server->address() + " heap=no heap profile"));
}

TEST(HeapTableFdTest, IsAbsentWithoutTheSampler) {
  EXPECT_EQ(HeapTableFd().status().code(), Code::kFailedPrecondition);
}

TEST(HeapSourceNameTest, HasOneForEach) {
  EXPECT_EQ(HeapSourceName(HeapSource::kAuto), "auto");
  EXPECT_EQ(HeapSourceName(HeapSource::kJemalloc), "jemalloc");
  EXPECT_EQ(HeapSourceName(HeapSource::kGperftools), "gperftools");
  EXPECT_EQ(HeapSourceName(HeapSource::kSampler), "sampler");
}

}  // namespace
}  // namespace fodc::guard
