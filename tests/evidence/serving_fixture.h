// SPDX-License-Identifier: Apache-2.0
// For tests: a real agent that has an event with a large heap profile, and a
// real proxy.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_store.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"

namespace fodc::test {

class ServingTest : public ::testing::Test {
 protected:
  // Far more than all buffers on the way hold, of what nothing compresses.
  static constexpr std::uint64_t kHeapBytes = 96u << 20;

  explicit ServingTest(bool has_copies = false) : has_copies_(has_copies) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(WriteEvent());
    ASSERT_TRUE(proxy_.Start());
    ASSERT_TRUE(agent_.Start());
    ASSERT_TRUE(WaitUntil([&] { return IsListed(); })) << agent_.Log();
  }
  std::vector<std::string> ProxyFlags() const {
    std::vector<std::string> flags{"--shutdown-timeout=1s",
                                   "--http-write-timeout=60s"};
    if (has_copies_) flags.push_back("--evidence-dir=" + dir_.File("copies"));
    return flags;
  }
  bool IsListed() const {
    return proxy_.Get("/pressure-profiles").body.find(id_) != std::string::npos;
  }
  std::string HeapPath() const {
    return StrCat("/incidents/db-0/", id_, "/heap.pprof");
  }
  std::string CapsulePath() const {
    return StrCat("/incidents/db-0/", id_, ".tar.zst");
  }
  AgentOptions AgentOf(std::uint16_t proxy) const {
    return {.pod = "db-0",
            .endpoint_ports = {endpoint_.port()},
            .proxy_ports = {proxy},
            .flags = {"--ktm-enabled=false"}};
  }
  std::string ProxyUrl() const { return proxy_.Url(""); }
  // fodcctl, which takes its time when it is stopped.
  Process BeginGet(const std::vector<std::string>& flags) {
    std::vector<std::string> argv{ProgramPath("fodcctl"),
                                  "--proxy",
                                  ProxyUrl(),
                                  "incident",
                                  "get",
                                  "db-0",
                                  id_};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"--file", got_, "--force"});
    return Process::Start({.name = "get",
                           .argv = argv,
                           .env = {},
                           .log_path = dir_.File("get.log"),
                           .stdout_path = ""});
  }
  // The same, stopped when some of it is on disk, but not half. One that was
  // faster is begun again.
  void StopInMidDownload(const std::vector<std::string>& flags, Process* get) {
    for (int i = 0; i < 20; ++i) {
      *get = BeginGet(flags);
      ASSERT_TRUE(WaitUntil(
          [&] { return DownloadedBytes() > 0 || !get->Running(); }, 60s, 1ms));
      get->Signal(SIGSTOP);
      const std::uint64_t bytes = DownloadedBytes();
      if (get->Running() && bytes > 0 && bytes < kHeapBytes / 2) return;
      get->Signal(SIGCONT);
      ASSERT_EQ(get->WaitExitCode(60s), 0) << get->Log();
    }
    FAIL() << "each download was over before it could be stopped";
  }
  // Of the file that is to become `got_`.
  std::uint64_t DownloadedBytes() const {
    for (const std::string& path : Unfinished()) {
      const auto size = FileSize(path);
      if (size.ok()) return *size;
    }
    return 0;
  }
  bool GotWhole() const {
    return ReadFile(got_, 2 * kHeapBytes).value_or("") == heap_;
  }
  std::vector<std::string> Unfinished() const {
    std::vector<std::string> out;
    const auto names = ListDirectory(dir_.path());
    for (const std::string& name : names.ok() ? *names : out) {
      if (name.starts_with(".fodcctl.")) out.push_back(dir_.File(name));
    }
    return out;
  }

  const bool has_copies_;
  TempDirectory dir_{"fodc-serving"};
  const std::string got_ = dir_.File("got");
  FodcProxy proxy_{dir_, ProxyFlags()};
  std::atomic<int> scrapes_ = 0;
  const FakeEndpoint endpoint_{[this](std::string_view, Exchange& e) {
    e.Answer(200, StrCat("scrapes_total ", ++scrapes_, "\n"));
  }};
  FodcAgent agent_{dir_, AgentOf(proxy_.grpc_port())};
  std::string heap_;
  std::string id_;

 private:
  static Result<std::uint64_t> FileSize(const std::string& path);
  void WriteEvent() {
    std::mt19937_64 random(42);
    heap_.resize(kHeapBytes);
    for (std::size_t i = 0; i < heap_.size(); i += 8) {
      const std::uint64_t word = random();
      std::copy_n(reinterpret_cast<const char*>(&word), 8, heap_.data() + i);
    }
    auto store = evidence::EventStore::Open({.root = dir_.File("events-db-0")});
    ASSERT_TRUE(store.ok());
    auto writer = (*store)->Begin(
        SystemClock().Unix(), {.max_bytes = 2 * kHeapBytes, .min_bytes = 1});
    ASSERT_TRUE(writer.ok());
    auto sink = (*writer)->OpenArtifact("heap.pprof", kHeapBytes);
    ASSERT_TRUE(sink.ok());
    ASSERT_TRUE((*sink)->Append(heap_).ok());
    const auto digest = (*sink)->Finish();
    ASSERT_TRUE(digest.ok());
    sink->reset();
    evidence::EventMeta meta;
    meta.pod_name = "db-0";
    meta.profiles = {
        {.type = "heap", .filename = "heap.pprof", .size_bytes = kHeapBytes}};
    meta.steps = {{.step = "heap",
                   .file = "heap.pprof",
                   .bytes = kHeapBytes,
                   .sha256 = digest->sha256}};
    ASSERT_TRUE((*writer)->Commit(std::move(meta)).ok());
    id_ = (*writer)->id();
  }
};

inline Result<std::uint64_t> ServingTest::FileSize(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace fodc::test
