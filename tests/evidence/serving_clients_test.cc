// SPDX-License-Identifier: Apache-2.0
// Clients of evidence that leave, take their time, are hostile, or have no
// right, at a real proxy.
#include <arpa/inet.h>
#include <ifaddrs.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/evidence/serving_fixture.h"

namespace fodc::test {
namespace {

using nlohmann::json;

std::size_t Entries(const Process& process, const std::string& of) {
  const auto names = ListDirectory(StrCat("/proc/", process.pid(), "/", of));
  return names.ok() ? names->size() : 0;
}

// A machine's address that is not of the loopback; empty: it has none.
std::string OtherAddress() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* a = all; a != nullptr; a = a->ifa_next) {
    if (a->ifa_addr == nullptr || a->ifa_addr->sa_family != AF_INET) continue;
    const auto* in = reinterpret_cast<const sockaddr_in*>(a->ifa_addr);
    char text[INET_ADDRSTRLEN] = {};
    (void)::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    if (!std::string(text).starts_with("127.")) found = text;
  }
  ::freeifaddrs(all);
  return found;
}

class ServingClientsTest : public ServingTest {
 protected:
  // One that asked and, if `begins`, has the head of the answer.
  RawConnection Ask(const std::string& path, bool begins = true) const {
    RawConnection client(proxy_.port());
    EXPECT_TRUE(
        client.Send(StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n")));
    if (begins) {
      const std::string head = client.Receive(30s, "\r\n\r\n");
      EXPECT_TRUE(head.starts_with("HTTP/1.1 200")) << head.substr(0, 200);
    }
    return client;
  }
  void DownloadWhole() {
    Process get = BeginGet({"--artifact", "heap.pprof"});
    ASSERT_EQ(get.WaitExitCode(120s), 0) << get.Log();
    EXPECT_TRUE(GotWhole());
  }
};

TEST_F(ServingClientsTest, WhatClientsLeaveBehindIsGivenBack) {
  ASSERT_NO_FATAL_FAILURE(DownloadWhole());  // what is made once is there
  struct Held {
    std::size_t agent_files, agent_threads, proxy_files, proxy_threads;
  };
  const auto held = [this] {
    return Held{
        Entries(agent_.process(), "fd"), Entries(agent_.process(), "task"),
        Entries(proxy_.process(), "fd"), Entries(proxy_.process(), "task")};
  };
  const Held before = held();
  // More than the proxy's slots for bodies (32), and than an agent serves at a
  // time (8).
  for (int i = 0; i < 20; ++i) {
    for (const std::string& path : {HeapPath(), CapsulePath()}) {
      (void)Ask(path, /*begins=*/i % 4 != 0);
    }
    // What was left is given back before many more come.
    if (i % 4 != 3) continue;
    ASSERT_TRUE(WaitUntil([&] {
      const HttpAnswer part =
          Get(proxy_.Url(HeapPath()), 30s, {"Range: bytes=1-2"});
      return part.status == 206 && part.body == heap_.substr(1, 2);
    }));
  }
  EXPECT_TRUE(WaitUntil([&] {
    const Held now = held();
    return now.agent_files <= before.agent_files &&
           now.agent_threads <= before.agent_threads &&
           now.proxy_files <= before.proxy_files &&
           now.proxy_threads <= before.proxy_threads;
  })) << "agent "
      << held().agent_files << " of " << before.agent_files << " files, "
      << held().agent_threads << " of " << before.agent_threads
      << " threads; proxy " << held().proxy_files << " of "
      << before.proxy_files << ", " << held().proxy_threads << " of "
      << before.proxy_threads;
  ASSERT_NO_FATAL_FAILURE(DownloadWhole());
}

TEST_F(ServingClientsTest, SlowClientsHoldUpNobody) {
  std::vector<RawConnection> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(Ask(HeapPath()));
    slow.push_back(Ask(CapsulePath()));
  }
  ASSERT_NO_FATAL_FAILURE(DownloadWhole());
  // Frames still come, and the agent is heard.
  const auto shown = [&] {
    return ValueOf(proxy_.Get("/metrics?pod_name=db-0").body, "scrapes_total");
  };
  ASSERT_TRUE(WaitUntil([&] { return shown() >= 1; }));
  const double first = shown();
  EXPECT_TRUE(WaitUntil([&] { return shown() >= first + 3; }));
  for (const json& node : json::parse(proxy_.Get("/cluster").body)["nodes"]) {
    EXPECT_EQ(node["agent"]["status"], "online") << node;
  }
  for (RawConnection& client : slow) {
    EXPECT_FALSE(client.Receive(500ms).empty()) << "it gets on when it takes";
  }
}

TEST_F(ServingClientsTest, HostileNamesLeadNowhere) {
  ASSERT_TRUE(
      WriteFileAtomically(dir_.File("secret"), "not for everybody").ok());
  const std::string id = id_;
  std::vector<std::string> paths;
  for (const std::string& bad :
       {std::string(".."), std::string("%2e%2e"), std::string("%2e%2e%2f"),
        std::string("..%2f..%2fsecret"), std::string("%2e%2e%2fsecret"),
        std::string("..%5c..%5csecret"), std::string("%2fetc%2fpasswd"),
        std::string("%00"), std::string("heap.pprof%00"),
        std::string("%252e%252e%252fsecret"), std::string("%c0%ae%c0%ae"),
        std::string("%ff"), std::string("meta.json"),
        std::string("meta.json.tmp"), std::string(".pinned"),
        std::string("MANIFEST.sha256"), std::string("a%0d%0aX: y"),
        std::string(20'000, 'x')}) {
    for (const std::string& path :
         {StrCat("/pressure-profiles/", bad, "/", id, "/heap"),
          StrCat("/pressure-profiles/db-0/", bad, "/heap"),
          StrCat("/pressure-profiles/db-0/", id, "/", bad),
          StrCat("/incidents/db-0/", bad), StrCat("/incidents/", bad, "/", id),
          StrCat("/incidents/db-0/", bad, ".tar.zst"),
          StrCat("/incidents/db-0/", bad, "/heap.pprof"),
          StrCat("/incidents/db-0/", id, "/", bad),
          StrCat("/incidents/db-0/", id, "/", bad, "/heap.pprof")}) {
      paths.push_back(path);
    }
  }
  paths.push_back(
      StrCat("/incidents/db-0/", id, "/heap.pprof", std::string(1, '\0')));
  paths.push_back(StrCat("/incidents/db-0/", std::string(100'000, 'x')));
  for (const std::string& path : paths) {
    RawConnection client(proxy_.port());
    // A server may well answer before it has all of such a line.
    (void)client.Send(StrCat(
        "GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    const std::string answer = client.Receive(30s);
    const std::string said = answer.substr(0, 12);
    EXPECT_TRUE(said == "HTTP/1.1 301" || said == "HTTP/1.1 400" ||
                said == "HTTP/1.1 404" || said == "HTTP/1.1 414" ||
                said == "HTTP/1.1 431" || said.empty())
        << path.substr(0, 120) << " gets " << said;
    EXPECT_LT(answer.size(), 2000u);
    EXPECT_EQ(answer.find("not for everybody"), std::string::npos);
  }
  for (const char* verb : {"pin", "unpin"}) {
    const int status =
        Request("POST", proxy_.Url(StrCat("/incidents/db-0/%2e%2e/", verb)), "")
            .status;
    EXPECT_TRUE(status == 400 || status == 404) << status;
  }
  EXPECT_TRUE(proxy_.process().Running());
  EXPECT_TRUE(agent_.process().Running());
  ASSERT_NO_FATAL_FAILURE(DownloadWhole());
}

TEST_F(ServingClientsTest, APinIsShownAtOnce) {
  for (const bool pinned : {true, false}) {
    ASSERT_EQ(Fodcctl({"--proxy", ProxyUrl(), "incident",
                       pinned ? "pin" : "unpin", "db-0", id_})
                  .exit_code,
              0);
    const Output shown = Fodcctl({"--proxy", ProxyUrl(), "incident", "show",
                                  "db-0", id_, "--output", "json"});
    ASSERT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_EQ(json::parse(shown.out)["events"][0]["pinned"], pinned);
  }
}

TEST_F(ServingClientsTest, FromAnotherMachineOneMayLookAndTakeProfiles) {
  const std::string address = OtherAddress();
  if (address.empty()) {
    std::printf("SKIPPED: this machine has no address but the loopback's\n");
    GTEST_SKIP();
  }
  agent_.Kill();
  for (const bool is_restricted : {false, true}) {
    const std::uint16_t http = FreePort();
    const std::uint16_t grpc = FreePort();
    std::vector<std::string> argv{ProgramPath("fodc-proxy"),
                                  StrCat("--grpc-listen-addr=127.0.0.1:", grpc),
                                  StrCat("--http-listen-addr=:", http)};
    if (is_restricted) argv.push_back("--restrict-profile-downloads");
    Server proxy("proxy-of-all", argv, dir_.path(), http, "/healthz");
    ASSERT_TRUE(proxy.Start());
    FodcAgent agent(dir_, AgentOf(grpc));
    ASSERT_TRUE(agent.Start());
    ASSERT_TRUE(WaitUntil([&] {
      return proxy.Get("/pressure-profiles").body.find(id_) !=
             std::string::npos;
    }));
    const std::string there = StrCat("http://", address, ":", http);
    const auto get = [&](const std::string& path) {
      return Get(there + path, 30s).status;
    };
    EXPECT_EQ(get("/pressure-profiles"), 200);
    EXPECT_EQ(get(StrCat("/incidents/db-0/", id_)), 200);
    EXPECT_EQ(get(StrCat("/pressure-profiles/db-0/", id_, "/heap")),
              is_restricted ? 403 : 200);
    EXPECT_EQ(get(HeapPath()), 403);
    EXPECT_EQ(get(CapsulePath()), 403);
    for (const char* verb : {"pin", "unpin"}) {
      EXPECT_EQ(
          Request("POST", StrCat(there, "/incidents/db-0/", id_, "/", verb), "")
              .status,
          403);
    }
    // From the same machine all of it.
    EXPECT_EQ(Get(proxy.Url(HeapPath()), 30s, {"Range: bytes=0-1"}).status,
              206);
  }
}

}  // namespace
}  // namespace fodc::test
