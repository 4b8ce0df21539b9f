// SPDX-License-Identifier: Apache-2.0
// The example node with its load, as users run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/heap_table_reader.h"
#include "tests/guard/kvnode_fixture.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

TEST_F(KvnodeTest, AnswersGetPutDeleteScanAndStreams) {
  Server node = MakeNode({"--max-answer-entries=2"});
  ASSERT_TRUE(node.Start());
  const std::string binary = "\xff\n\t";
  EXPECT_EQ(Request("PUT", node.Url("/kv/a%2Fb"), binary).status, 204);
  EXPECT_EQ(node.Get("/kv/a%2Fb").body, binary);
  EXPECT_EQ(Request("PUT", node.Url("/kv/b"), "2").status, 204);
  EXPECT_EQ(Request("PUT", node.Url("/kv/c"), "3").status, 204);
  const HttpAnswer page = node.Get("/scan");
  EXPECT_EQ(page.body, "a%2Fb\t%FF%0A%09\nb\t2\n");
  EXPECT_EQ(page.headers.at("kvnode-next"), "c");
  EXPECT_EQ(node.Get("/scan?start=c").body, "c\t3\n");
  EXPECT_EQ(node.Get("/scan?start=b&end=c").body, "b\t2\n");
  EXPECT_EQ(Request("DELETE", node.Url("/kv/b"), "").status, 204);
  EXPECT_EQ(node.Get("/kv/b").status, 404);

  EXPECT_EQ(Request("POST", node.Url("/streams/s"), "x").body, "5\n");
  EXPECT_EQ(Request("POST", node.Url("/streams/s"), "y").body, "6\n");
  EXPECT_EQ(node.Get("/streams/s").body, "5\tx\n6\ty\n");
  EXPECT_EQ(node.Get("/streams/s?after=5").body, "6\ty\n");
  EXPECT_EQ(node.Get("/healthz").status, 200);
  EXPECT_EQ(Metric(node, "kvnode_requests_total",
                   {{"operation", "put"}, {"outcome", "ok"}}),
            3);
  EXPECT_EQ(node.Stop(), 0) << node.Log();
}

TEST_F(KvnodeTest, SaysWhatIsWrongWithARequest) {
  Server node = MakeNode({"--max-value-bytes=2KiB"});
  ASSERT_TRUE(node.Start());
  EXPECT_EQ(node.Get("/streams/s?after=x").status, 400);
  EXPECT_THAT(node.Get("/scan?limit=0").body, HasSubstr("limit is 0"));
  const HttpAnswer long_key =
      Request("PUT", node.Url("/kv/" + std::string(4097, 'k')), "v");
  EXPECT_EQ(long_key.status, 400);
  EXPECT_THAT(long_key.body, HasSubstr("4096"));
  EXPECT_EQ(Request("PUT", node.Url("/kv/k"), std::string(3000, 'v')).status,
            413);
  EXPECT_EQ(Request("POST", node.Url("/kv/k"), "v").status, 405);
  RawConnection chunked(node.port());
  ASSERT_TRUE(chunked.Send(
      "PUT /kv/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_THAT(chunked.Receive(10s, "\r\n\r\n"), HasSubstr("411"));
}

TEST_F(KvnodeTest, RefusesFlagsThatItCannotUse) {
  const auto run = [&](const std::string& flag) {
    return RunToEnd({ProgramPath("kvnode"), "--data-dir=" + dir_.File("d"),
                     "--listen=127.0.0.1:0", flag});
  };
  const Output layout = run("--stream-layout=list");
  EXPECT_EQ(layout.exit_code, 2);
  EXPECT_THAT(layout.err, HasSubstr("--stream-layout"));
  const Output soft = run("--soft-limit=much");
  EXPECT_EQ(soft.exit_code, 1);
  EXPECT_THAT(soft.err, HasSubstr("much"));
  const Output load = RunToEnd({ProgramPath("kvload"), "--spike", "--scan"});
  EXPECT_EQ(load.exit_code, 2);
}

TEST_F(KvnodeTest, TheEnvironmentSwitchesTheWatchdogOff) {
  for (const char* off : {"0", "", "much"}) {
    const std::uint16_t port = FreePort();
    Server node("kvnode",
                {"env", StrCat("KVNODE_MEMORY_SHUTDOWN_THRESHOLD_MB=", off),
                 ProgramPath("kvnode"), StrCat("--listen=127.0.0.1:", port),
                 "--data-dir=" + dir_.File("data")},
                dir_.path(), port, "/readyz");
    ASSERT_TRUE(node.Start()) << node.Log();
    EXPECT_EQ(
        Metric(node, "fodc_guard_memory_threshold_bytes", {{"level", "hard"}}),
        0)
        << off;
    EXPECT_EQ(node.Stop(), 0);
  }
}

// Wherever the directory was named.
TEST_F(KvnodeTest, EvidenceOfACrashLiesInTheDataDirectory) {
  ASSERT_THAT(WriteFileAtomically(dir_.File("config"),
                                  "data-dir = " + dir_.File("file") + "\n"),
              IsOk());
  const std::string program = ProgramPath("kvnode");
  const std::vector<std::pair<std::string, std::vector<std::string>>> ways = {
      {"flag", {program, "--data-dir", dir_.File("flag")}},
      {"variable",
       {"env", "KVNODE_DATA_DIR=" + dir_.File("variable"), program}},
      {"file", {program, "--config=" + dir_.File("config")}},
  };
  for (const auto& [name, start] : ways) {
    const std::uint16_t port = FreePort();
    std::vector<std::string> argv = {"env", "-C", dir_.path()};
    argv.insert(argv.end(), start.begin(), start.end());
    argv.push_back(StrCat("--listen=127.0.0.1:", port));
    Server node("kvnode", argv, dir_.path(), port, "/readyz");
    ASSERT_TRUE(node.Start()) << node.Log();
    node.process().Signal(SIGSEGV);
    EXPECT_EQ(node.process().WaitExitCode(10s), 128 + SIGSEGV) << name;
    const auto records = ListDirectory(dir_.File(name + "/crash"));
    ASSERT_THAT(records, IsOk()) << name;
    EXPECT_EQ(records->size(), 1u) << name;
  }
  // And nowhere else.
  EXPECT_FALSE(std::filesystem::exists(dir_.File("kvnode-data")));
}

// Of 4 MiB that were put, and are in RocksDB's memory.
TEST_F(KvnodeTest, ItsHeapIsForPprofAndForWhoReadsItsTableAfterAKill) {
  const std::uint16_t port = FreePort();
  const std::string profiles = StrCat("127.0.0.1:", FreePort());
  Server node(
      "kvnode",
      {"env", "FODC_GUARD_HEAP_SAMPLE_BYTES=16384", ProgramPath("kvnode"),
       StrCat("--listen=127.0.0.1:", port), "--profile-listen=" + profiles,
       "--data-dir=" + dir_.File("data")},
      dir_.path(), port, "/readyz");
  ASSERT_TRUE(node.Start());
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(Request("PUT", node.Url(StrCat("/kv/", i)),
                      std::string(std::size_t{64} << 10, 'v'))
                  .status,
              204);
  }
  const std::string url = StrCat("http://", profiles, "/debug/pprof/heap");
  const HttpAnswer heap = test::Get(url);
  EXPECT_EQ(heap.status, 200) << heap.body;

  const auto fd = pprof::FindHeapTable("/proc", node.process().pid());
  ASSERT_THAT(fd, IsOk());
  const auto view = pprof::HeapTableView::Map(fd->get());
  ASSERT_THAT(view, IsOk());
  const Output top = RunToEnd({"/usr/bin/go", "tool", "pprof",
                               "-symbolize=remote", "-top", "-cum", url},
                              60s, {{"HOME", dir_.path()}});
  node.Kill();
  const auto table = view->Read();
  ASSERT_THAT(table, IsOk());
  double in_use = 0;
  for (const pprof::HeapTableSample& sample : table->samples) {
    in_use += static_cast<double>(sample.counts.inuse_bytes);
  }
  EXPECT_GT(in_use, 3 << 20);

  if (access("/usr/bin/go", X_OK) != 0) {
    std::puts("SKIPPED: golang-go is not installed");
    GTEST_SKIP();
  }
  EXPECT_THAT(top.out, HasSubstr("Type: inuse_space")) << top.err;
  EXPECT_THAT(top.out, HasSubstr("kvnode::Store::Apply"));
  EXPECT_THAT(top.out, HasSubstr("rocksdb::MemTable::Add"));
}

TEST_F(KvnodeTest, AKillLosesNothingThatWasAcknowledged) {
  Server node = MakeNode();
  ASSERT_TRUE(node.Start());
  for (int life = 0; life < 3; ++life) {
    Process load = Process::Start(
        {.name = "kvload",
         .argv = LoadArgv(
             node, {"--write-burst", "--duration=3s", "--ledger=" + Ledger()}),
         .env = {},
         .log_path = dir_.File("kvload.log"),
         .stdout_path = ""});
    ASSERT_TRUE(WaitUntil(
        [&] { return Metric(node, "kvnode_log_operations_total") > 500; }));
    node.Kill();
    // The load goes on with the next life.
    ASSERT_TRUE(node.Start());
    EXPECT_EQ(load.WaitExitCode(20s), 0) << load.Log();
    const Output verified = Verify(node);
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    EXPECT_GT(JsonLines(verified.out).at(0)["acknowledged"], 500);
  }
  EXPECT_EQ(Metric(node, "fodc_guard_last_exit_info", {{"cause", "killed"}}),
            1);
  // And the ledger sees what is lost.
  const std::string key = [&] {
    const std::string page = node.Get("/scan?limit=1").body;
    return page.substr(0, page.find('\t'));
  }();
  EXPECT_EQ(Request("DELETE", node.Url("/kv/" + key), "").status, 204);
  const Output lost = Verify(node);
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_EQ(JsonLines(lost.out).at(0)["lost"], 1);
  EXPECT_THAT(lost.err, HasSubstr(key));
}

TEST_F(KvnodeTest, AHotReaderIsRejectedAndOthersAreServed) {
  const std::vector<std::string> hot = {"--hot-reader",     "--whole",
                                        "--connections=16", "--entries=2000",
                                        "--from=127.0.0.2", "--duration=2s"};
  const std::vector<std::string> puts = {"--write-burst", "--count=100",
                                         "--append-percent=0",
                                         "--delete-percent=0"};
  const auto run = [&](Server node) {
    EXPECT_TRUE(node.Start());
    Process reader = Process::Start({.name = "kvload",
                                     .argv = LoadArgv(node, hot),
                                     .env = {},
                                     .log_path = dir_.File("hot.log"),
                                     .stdout_path = dir_.File("hot.json")});
    const Output writer = Load(node, puts);
    EXPECT_EQ(JsonLines(writer.out).at(0)["ok"], 100) << writer.out;
    EXPECT_EQ(reader.WaitExitCode(30s), 0) << reader.Log();
    const double rejected =
        Metric(node, "kvnode_requests_total",
               {{"operation", "stream_read"}, {"outcome", "rejected"}});
    const auto seen = JsonLines(*ReadFile(dir_.File("hot.json"))).at(0);
    EXPECT_EQ(seen["rejected"], rejected);
    EXPECT_GT(seen["ok"], 0);
    // Who comes back at once is held back, and only then.
    EXPECT_EQ(Metric(node, "kvnode_connections_held_back_total") > 0,
              rejected > 0);
    EXPECT_EQ(node.Stop(), 0);
    return rejected;
  };
  EXPECT_GT(run(MakeNode({"--heavy-slots=1"}, "guarded")), 0);
  EXPECT_EQ(run(MakeNode({"--no-guard"}, "bare")), 0);
}

TEST_F(KvnodeTest, BodiesBeyondTheBudgetAreRefusedBeforeTheyAreRead) {
  Server node = MakeNode({"--inflight-bytes=4MiB"});
  ASSERT_TRUE(node.Start());
  RawConnection first(node.port());
  ASSERT_TRUE(first.Send(
      "PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"));
  ASSERT_TRUE(WaitUntil([&] {
    return Metric(node, "fodc_guard_inflight_bytes",
                  {{"class", "large_body"}}) == 3000000;
  }));
  RawConnection second(node.port());
  ASSERT_TRUE(second.Send(
      "PUT /kv/b HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"));
  const std::string answer = second.Receive(10s);
  EXPECT_THAT(answer, HasSubstr("503 Service Unavailable"));
  EXPECT_THAT(answer, HasSubstr("Retry-After: 1"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, HasSubstr("SlowDown"));
  ASSERT_TRUE(first.Send(std::string(3000000, 'v')));
  EXPECT_THAT(first.Receive(10s, "\r\n\r\n"), HasSubstr("204"));
  EXPECT_TRUE(WaitUntil([&] {
    return Metric(node, "fodc_guard_inflight_bytes",
                  {{"class", "large_body"}}) == 0;
  }));
  EXPECT_EQ(Request("PUT", node.Url("/kv/c"), std::string(5000000, 'v')).status,
            413);
}

TEST_F(KvnodeTest, ASnapshotOpensAsANode) {
  Server node = MakeNode();
  ASSERT_TRUE(node.Start());
  EXPECT_EQ(Load(node, {"--write-burst", "--count=300", "--ledger=" + Ledger()})
                .exit_code,
            0);
  const HttpAnswer made = Request("POST", node.Url("/snapshot"), "");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string path(Trim(made.body));
  ASSERT_THAT(MakeDirectories(dir_.File("restored")).ok(), true);
  std::filesystem::copy(path, dir_.File("restored/db"),
                        std::filesystem::copy_options::recursive);
  Server restored = MakeNode({}, "restored");
  ASSERT_TRUE(restored.Start()) << restored.Log();
  const Output verified = Verify(restored);
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  // Its log goes on behind the snapshot.
  EXPECT_EQ(Request("PUT", restored.Url("/kv/new"), "1").status, 204);
  restored.Kill();
  ASSERT_TRUE(restored.Start());
  EXPECT_EQ(restored.Get("/kv/new").body, "1");
}

TEST_F(KvnodeTest, AStoreOfBlobsIsReadAndMigrated) {
  Server old = MakeNode({"--stream-layout=blob"});
  ASSERT_TRUE(old.Start());
  for (const char* value : {"x", "y"}) {
    EXPECT_EQ(Request("POST", old.Url("/streams/s"), value).status, 200);
  }
  EXPECT_EQ(old.Get("/streams/s").body, "1\tx\n2\ty\n");
  EXPECT_EQ(Metric(old, "kvnode_stream_legacy_reads_total"), 1);
  // The store's files get the blob; the log alone would be replayed as entries.
  EXPECT_EQ(Request("POST", old.Url("/snapshot"), "").status, 200);
  EXPECT_EQ(old.Stop(), 0) << old.Log();

  Server node = MakeNode();
  ASSERT_TRUE(node.Start());
  ASSERT_TRUE(WaitUntil([&] {
    return Metric(node, "kvnode_stream_migrated_entries_total") == 2;
  }));
  const double legacy = Metric(node, "kvnode_stream_legacy_reads_total");
  EXPECT_EQ(node.Get("/streams/s").body, "1\tx\n2\ty\n");
  EXPECT_EQ(Metric(node, "kvnode_stream_legacy_reads_total"), legacy);
}

}  // namespace
}  // namespace fodc::test
