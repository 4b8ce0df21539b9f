// SPDX-License-Identifier: Apache-2.0
#include "tests/deploy/roll_fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::test {

RollTest::RollTest() { Write("image", "sha256:one\n"); }

Words RollTest::Argv(const Words& args,
                     const std::map<std::string, std::string>& env) const {
  Words argv{
      "env",
      "-i",
      StrCat("PATH=", SourcePath("tests/deploy/fakes"), ":/usr/bin:/bin"),
      "HOME=/",
      StrCat("FAKE_DIR=", dir_.path()),
      StrCat("ROLL_LOCK_FILE=", File("lock")),
  };
  for (const auto& [key, value] : env) argv.push_back(StrCat(key, "=", value));
  argv.push_back(SourcePath("deploy/rolling-update/rolling-update"));
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

Output RollTest::Roll(const Words& args,
                      const std::map<std::string, std::string>& env) const {
  return RunToEnd(Argv(args, env), std::chrono::seconds(60));
}

Output RollTest::RollDocker(
    Words args, const std::map<std::string, std::string>& env) const {
  args.insert(args.begin(), {"--runner=docker", "--image=kv:1", "--health-url=",
                             "--health-successes=1", "--pull=no"});
  return Roll(args, env);
}

std::vector<Words> RollTest::Calls() {
  std::vector<Words> calls;
  const auto text = ReadFile(File("calls"));
  if (!text.ok()) return calls;
  for (const std::string_view call : Split(*text, '\036')) {
    if (call.empty()) continue;
    Words words;
    for (const std::string_view word : Split(call, '\037')) {
      words.emplace_back(word);
    }
    words.pop_back();  // a separator ends the last one
    calls.push_back(std::move(words));
  }
  (void)std::remove(File("calls").c_str());
  return calls;
}

Words RollTest::CallThatBegins(const Words& words) {
  for (Words& call : Calls()) {
    if (call.size() >= words.size() &&
        std::equal(words.begin(), words.end(), call.begin())) {
      return std::move(call);
    }
  }
  return {};
}

std::string RollTest::WriteConfig(const std::string& text) const {
  Write("config", text);
  return StrCat("--config=", File("config"));
}

void RollTest::Write(const std::string& file, const std::string& text) const {
  ASSERT_TRUE(WriteFileAtomically(File(file), text).ok());
}

std::string RollTest::Read(const std::string& file) const {
  const auto text = ReadFile(File(file));
  return text.ok() ? *text : "";
}

Words ValuesOf(const Words& call, const std::string& flag) {
  Words values;
  for (std::size_t i = 0; i + 1 < call.size(); ++i) {
    if (call[i] == flag) values.push_back(call[i + 1]);
  }
  return values;
}

}  // namespace fodc::test
