// SPDX-License-Identifier: Apache-2.0
// What lies in deploy/ to be copied fits together, and its page tells the
// truth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "fodc/base/strings.h"
#include "tests/deploy/roll_fixture.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::string Source(const std::string& path) {
  const auto text = ReadFile(SourcePath(path));
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *text : "";
}

// Names and defaults, from the script itself.
std::map<std::string, std::string> Settings() {
  const Output output = RunToEnd(
      {"env", "-i", "bash", "-c",
       StrCat(". ", SourcePath("deploy/rolling-update/lib/settings.sh"),
              "; for k in ${SETTINGS[@]}; do echo \"$k=${DEFAULTS[$k]-}\"; "
              "done")});
  std::map<std::string, std::string> settings;
  for (const std::string_view line : Split(output.out, '\n')) {
    const std::size_t at = line.find('=');
    if (at != std::string_view::npos) {
      settings.emplace(line.substr(0, at), line.substr(at + 1));
    }
  }
  EXPECT_GT(settings.size(), 30u) << output.err;
  return settings;
}

std::set<std::string> Names(const std::map<std::string, std::string>& map) {
  std::set<std::string> names;
  for (const auto& [name, value] : map) names.insert(name);
  return names;
}

std::set<std::string> Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end;
       ++it) {
    found.insert((*it)[1]);
  }
  return found;
}

TEST(RollingUpdatePageTest, NamesEverySettingWithItsDefault) {
  const std::map<std::string, std::string> settings = Settings();
  std::map<std::string, std::string> page;
  const std::string source = Source("docs/operation/rolling-update.md");
  for (const std::string_view line : Split(source, '\n')) {
    std::smatch m;
    const std::string text(line);
    if (std::regex_match(text, m,
                         std::regex(R"(\| `([A-Z_]+)` \|\s?(.*?)\s?\| .*)"))) {
      std::string value = m[2];
      std::erase(value, '`');
      page.emplace(m[1], value);
    }
  }
  EXPECT_EQ(Names(page), Names(settings));
  // Those whose absence is more than a text.
  const std::set<std::string> kTold{"EXTRA_ENV",   "MEMORY_SWAP", "LOG_FILE",
                                    "MEMORY_HIGH", "LOCK_FILE",   "NODES"};
  for (const auto& [name, value] : settings) {
    if (kTold.contains(name)) continue;
    EXPECT_EQ(page[name], value) << name;
  }
}

TEST(RollingUpdatePageTest, HelpNamesEveryFlag) {
  const Output help =
      RunToEnd({SourcePath("deploy/rolling-update/rolling-update"), "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const auto& [name, value] : Settings()) {
    // The list of nodes is what --node makes.
    std::string flag = name == "NODE_LIST" ? "node" : name;
    for (char& c : flag) c = c == '_' ? '-' : static_cast<char>(tolower(c));
    EXPECT_THAT(Matches(help.out, "--([a-z-]+)"), Contains(flag));
  }
}

using ExampleTest = RollTest;

TEST_F(ExampleTest, ConfigurationFileIsOne) {
  const Output output =
      Roll({"--config", SourcePath("deploy/rolling-update/example.conf"),
            "--dry-run"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(output.err, "") << output.err;
  EXPECT_THAT(output.out, HasSubstr("node db-3: systemd on deploy@db-3"));
  EXPECT_THAT(Calls(), Contains(Contains("deploy@db-1.example.net")));
}

TEST_F(ExampleTest, WorkflowUsesWhatThereIs) {
  const std::string text = Source("deploy/rolling-update/example-workflow.yml");
  const std::set<std::string> settings = Names(Settings());
  const std::string env = text.substr(text.find("\nenv:"));
  for (const std::string& name : Matches(env, R"(\n  ROLL_([A-Z_]+):)")) {
    if (name == "CONFIG") continue;
    EXPECT_THAT(settings, Contains(name));
  }
  for (const std::string& path : Matches(text, R"((deploy/[\w./-]+))")) {
    EXPECT_TRUE(ReadFile(SourcePath(path)).ok()) << path;
  }
  EXPECT_THAT(text, HasSubstr("environment: production"));
  EXPECT_THAT(text, HasSubstr("needs: dry-run"));
}

// One unit: the last value of a key, lines that go on put together.
class Unit {
 public:
  explicit Unit(const std::string& name)
      : text_(std::regex_replace(Source("deploy/systemd/" + name),
                                 std::regex(R"(\\\n\s*)"), "")) {}
  std::string Value(const std::string& key) const {
    std::string value;
    for (const std::string& v : Matches(text_, ("\n" + key + "=(.*)").c_str()))
      value = v;
    return value;
  }
  std::string Flag(const std::string& name) const {
    const auto found =
        Matches(Value("ExecStart") + " ", ("--" + name + "=([^ ]*) ").c_str());
    return found.empty() ? "" : *found.begin();
  }
  double FlagNumber(const std::string& name) const {
    const std::string value = Flag(name);
    EXPECT_NE(value, "") << name;
    return value.empty() ? 0 : std::stod(value);
  }
  double Mebibytes(const std::string& key) const {
    const std::string value = Value(key);
    EXPECT_TRUE(value.ends_with("M")) << key << value;
    return value.empty() ? 0 : std::stod(value);
  }
  std::set<std::string> Flags() const {
    return Matches(Value("ExecStart"), "--([a-z-]+)");
  }

 private:
  std::string text_;
};

TEST(SystemdUnitsTest, LinesRiseInTheOrderOfDefences) {
  const Unit node("kvnode.service");
  const Unit agent("fodc-agent.service");
  const double limit = node.Mebibytes("MemoryMax");
  const auto share = [&](double percent) { return limit * percent / 100; };
  EXPECT_LE(node.FlagNumber("soft-limit"),
            agent.FlagNumber("guardian-capture"));
  // Admission tightens at 8/9 of the node's own line.
  EXPECT_LT(agent.FlagNumber("guardian-capture"),
            node.FlagNumber("memory-threshold") * 8 / 9);
  EXPECT_LT(node.FlagNumber("memory-threshold"),
            agent.FlagNumber("guardian-term"));
  EXPECT_LT(share(agent.FlagNumber("guardian-term")),
            node.Mebibytes("MemoryHigh"));
  EXPECT_LT(node.Mebibytes("MemoryHigh"), limit);
  EXPECT_EQ(agent.Flag("guardian-kill"), "off");
}

TEST(SystemdUnitsTest, NodeIsStartedAgainHoweverItEnded) {
  for (const char* name : {"kvnode.service", "fodc-agent.service"}) {
    const Unit unit(name);
    // Not on-failure: a guardian's SIGTERM ends a node with 0.
    EXPECT_EQ(unit.Value("Restart"), "always");
    EXPECT_EQ(unit.Value("StartLimitIntervalSec"), "0");
    EXPECT_EQ(unit.Value("MemorySwapMax"), "0");
    EXPECT_NE(unit.Value("MemoryMax"), "");
  }
}

// What rolling-update gives by default is what the unit says.
TEST(SystemdUnitsTest, UnitAndRollingUpdateAgree) {
  const Unit node("kvnode.service");
  const std::map<std::string, std::string> settings = Settings();
  EXPECT_EQ(settings.at("CONTAINER_MEMORY_LIMIT"), "2500m");
  EXPECT_EQ(node.Mebibytes("MemoryMax"), 2500);
  EXPECT_EQ(node.Mebibytes("MemoryHigh"), 2500 * 0.95);
}

TEST(SystemdUnitsTest, ProgramsHaveTheFlags) {
  for (const std::string program : {"kvnode", "fodc-agent"}) {
    const Output help = RunToEnd({ProgramPath(program), "--help"});
    for (const std::string& flag : Unit(program + ".service").Flags()) {
      EXPECT_THAT(Matches(help.out, "--([a-z-]+)"), Contains(flag));
    }
  }
}

}  // namespace
}  // namespace fodc::test
