// SPDX-License-Identifier: Apache-2.0
// The demo, as a script runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

const std::string kDemo = test::SourcePath("tools/demo");

TEST(DemoTest, ShowsThreeNodesAndEndsByItself) {
  const TempDirectory dir;
  const std::uint16_t http = FreePort();
  std::uint16_t base = 0;
  // Seven ports in a row.
  for (base = 32'000; base < 32'700; base += 7) {
    bool free = true;
    for (int i = 0; i < 7; ++i) {
      free &= !RawConnection(static_cast<std::uint16_t>(base + i)).connected();
    }
    if (free) break;
  }
  Process demo = Process::Start(
      {.name = "demo",
       .argv = {kDemo, "--seconds", "8", StrCat("--http-port=", http),
                StrCat("--grpc-port=", FreePort()),
                StrCat("--base-port=", base),
                StrCat("--bin-dir=", ProgramPath(""))},
       .env = {{"TMPDIR", dir.path()}},
       .log_path = dir.File("log"),
       .stdout_path = ""});
  const std::string url = StrCat("http://127.0.0.1:", http);
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::string page = Get(url + "/metrics").body;
        return page.find("\netcd_server_has_leader{") != std::string::npos &&
               page.find("\nnode_load1{") != std::string::npos &&
               page.find("\nprometheus_build_info{") != std::string::npos;
      },
      20s, 100ms))
      << demo.Log();
  EXPECT_EQ(demo.WaitExitCode(40s), 0) << demo.Log();
  const std::string log = demo.Log();
  for (const char* text : {"etcd-0", "node-exporter-0", "prometheus-0", "NODE",
                           "BYTES/SAMPLE", "online"}) {
    EXPECT_THAT(log, HasSubstr(text));
  }
  // Nothing that it started is left, and neither are its files.
  EXPECT_FALSE(RawConnection(http).connected());
  EXPECT_EQ(RunToEnd({"ls", dir.path()}).out, "log\n");
}

TEST(DemoTest, SaysWhichPortIsTaken) {
  const FakeEndpoint taken("x 1\n");
  const Output o =
      RunToEnd({kDemo, StrCat("--http-port=", taken.port()), "--seconds=1"});
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_THAT(o.err, HasSubstr(StrCat("port ", taken.port())));
  EXPECT_THAT(o.err, HasSubstr("--http-port"));
}

TEST(DemoTest, RefusesUnknownArguments) {
  const Output o = RunToEnd({kDemo, "--sekonds", "1"});
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_THAT(o.err, HasSubstr("--sekonds"));
}

}  // namespace
}  // namespace fodc::test
