// SPDX-License-Identifier: Apache-2.0
// A proxy with --evidence-dir: what a node had is there when the node is not.
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/evidence/serving_fixture.h"

namespace fodc::test {
namespace {

using nlohmann::json;

class CopiesTest : public ServingTest {
 protected:
  CopiesTest() : ServingTest(/*has_copies=*/true) {}

  json Where() const {
    const auto answer = proxy_.Get(StrCat("/incidents/db-0/", id_));
    if (answer.status != 200) return nullptr;
    const json events = json::parse(answer.body)["events"];
    return events.empty() ? json() : events[0]["where"];
  }
};

TEST_F(CopiesTest, TheEvidenceIsThereWithoutTheAgentAndItsDirectory) {
  ASSERT_TRUE(WaitUntil(
      [&] {
        return Where() == json({"agent", "proxy"});
      },
      120s))
      << proxy_.Log();
  agent_.Kill();
  ASSERT_EQ(std::system(StrCat("rm -rf ", dir_.File("events-db-0")).c_str()),
            0);
  // In the same life of the proxy, and in a later one.
  for (const bool is_new : {false, true}) {
    if (is_new) {
      proxy_.Kill();
      ASSERT_TRUE(proxy_.Start());
      EXPECT_EQ(Where(), json({"proxy"})) << proxy_.Log();
    }
    EXPECT_TRUE(IsListed());
    for (const std::vector<std::string>& flags :
         {std::vector<std::string>{"--artifact", "heap.pprof"}, {}}) {
      Process get = BeginGet(flags);
      EXPECT_EQ(get.WaitExitCode(120s), 0) << get.Log();
    }
    // The capsule was last, and its manifest was true.
    Process open = Process::Start(
        {.name = "open",
         .argv = {ProgramPath("fodcctl"), "capsule", "open", got_, "--extract",
                  dir_.File(is_new ? "second" : "first")},
         .env = {},
         .log_path = dir_.File("open.log"),
         .stdout_path = ""});
    EXPECT_EQ(open.WaitExitCode(120s), 0) << open.Log();
  }
}

}  // namespace
}  // namespace fodc::test
