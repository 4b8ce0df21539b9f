// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/selector.h"

namespace fodc::ctl {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using testing::ElementsAre;
using testing::HasSubstr;

CommandLine Parse(const std::vector<std::string>& arguments) {
  return ParseCommandLine(arguments, FromUnixMillis(1'000'000'500));
}

template <typename T>
T ParseAs(const std::vector<std::string>& arguments) {
  const CommandLine line = Parse(arguments);
  EXPECT_TRUE(line.command.has_value()) << line.error;
  const T* command =
      line.command.has_value() ? std::get_if<T>(&*line.command) : nullptr;
  EXPECT_NE(command, nullptr);
  return command == nullptr ? T{} : *command;
}

TEST(CommandLineTest, NodesWatchTakesAnOptionalInterval) {
  const auto nodes =
      ParseAs<NodesCommand>({"nodes", "--watch", "--for", "3s", "--role=hot"});
  EXPECT_EQ(nodes.watch, 1s);
  EXPECT_EQ(nodes.run_for, 3s);
  EXPECT_EQ(nodes.query.role, "hot");
  EXPECT_EQ(ParseAs<NodesCommand>({"nodes", "--watch", "2s"}).watch, 2s);
  EXPECT_FALSE(ParseAs<NodesCommand>({"nodes"}).watch.has_value());
}

TEST(CommandLineTest, IncidentsTakesItsFilters) {
  const auto all = ParseAs<IncidentsCommand>({"incidents"});
  EXPECT_FALSE(all.from_unix_ms || all.to_unix_ms || all.last || all.limit);
  EXPECT_FALSE(all.json || all.details);
  const auto some = ParseAs<IncidentsCommand>(
      {"incidents", "--pod-name=a", "--role", "data", "--verdict", "W3",
       "--state=open", "--last", "1h", "--to=-5m", "--limit", "1000",
       "--details", "--output=json"});
  EXPECT_EQ(some.query.pod_name, "a");
  EXPECT_EQ(some.query.role, "data");
  EXPECT_EQ(some.verdict, "W3");
  EXPECT_EQ(some.state, "open");
  EXPECT_EQ(some.last, 1h);
  EXPECT_EQ(some.to_unix_ms, 999'700'500);
  EXPECT_EQ(some.limit, 1000u);
  EXPECT_TRUE(some.json && some.details);
  const std::vector<std::string> wrong[] = {
      {"--state=closed"}, {"--limit=0"},          {"--limit=1001"},
      {"--limit=x"},      {"--output=xml"},       {"--role=datanode-x"},
      {"--from=noon"},    {"--from=2", "--to=1"}, {"--from=2", "--last=1s"},
      {"--match=up"}};
  for (std::vector<std::string> flags : wrong) {
    flags.insert(flags.begin(), "incidents");
    const CommandLine line = Parse(flags);
    EXPECT_EQ(line.exit_code, 2) << flags[1];
    EXPECT_THAT(line.error, HasSubstr(flags[1].substr(0, 6)));
  }
}

TEST(CommandLineTest, ProxyComesFromFlagOrEnvironmentBeforeOrAfter) {
  EXPECT_EQ(ParseAs<NodesCommand>({"nodes"}).query.url,
            "http://localhost:17913");
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread
  ::setenv("FODC_PROXY", "http://elsewhere:1/", 1);
  EXPECT_EQ(ParseAs<NodesCommand>({"nodes"}).query.url, "http://elsewhere:1");
  EXPECT_EQ(ParseAs<NodesCommand>({"--proxy", "host:2", "nodes"}).query.url,
            "http://host:2");
  EXPECT_EQ(ParseAs<NodesCommand>({"nodes", "--proxy=https://h"}).query.url,
            "https://h");
  ::unsetenv("FODC_PROXY");
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST(CommandLineTest, ExamplesOfTheHelpAreSelectors) {
  for (const char* command : {"metrics", "window"}) {
    const std::string help = Parse({command, "--help"}).out;
    // Between quotes, as a shell takes them.
    const std::size_t from = help.find("as in Prometheus");
    ASSERT_NE(from, std::string::npos);
    const auto words = Split(
        std::string_view(help).substr(from, help.find("May be", from) - from),
        '\'');
    ASSERT_EQ(words.size(), 5u) << help;
    for (const std::size_t i : {1U, 3U}) {
      std::string example(words[i]);
      std::erase_if(example, [](char c) { return c == ' ' || c == '\n'; });
      const std::vector<std::string_view> texts{example};
      EXPECT_THAT(exposition::SelectorSet::Parse(texts), IsOk()) << example;
    }
  }
}

TEST(CommandLineTest, ReplayTakesSignalsAndBoundsOverAndOver) {
  const auto replay = ParseAs<ReplayCommand>(
      {"replay", "--signal", "block_cache_misses=a{x=\"1\",y=\"2\"},b",
       "--signal=compaction_threads=c", "--detect-bound", "factor=4,window=5s",
       "x.fdr", "--json"});
  EXPECT_EQ(replay.path, "x.fdr");
  EXPECT_THAT(replay.signals,
              ElementsAre("block_cache_misses=a{x=\"1\",y=\"2\"},b",
                          "compaction_threads=c"));
  EXPECT_THAT(replay.bounds, ElementsAre("factor=4,window=5s"));
  EXPECT_TRUE(replay.json);
  EXPECT_THAT(Parse({"replay"}).error, HasSubstr("path is required"));
  EXPECT_THAT(Parse({"replay", "x", "--signal", "a"}).error,
              HasSubstr("--signal: 'a' is not NAME=SELECTOR"));
  EXPECT_THAT(Parse({"replay", "x", "--detect-bound=min-history=900"}).error,
              HasSubstr("--detect-bound: min-history=900 is more than"));
}

TEST(CommandLineTest, PprofTakesItsFilesAndFlags) {
  const CommandLine diff =
      Parse({"pprof", "diff", "a", "b", "--sample-type=cpu", "--count", "3",
             "--cum", "--json"});
  ASSERT_TRUE(diff.command.has_value()) << diff.error;
  const auto& command = std::get<PprofCommand>(*diff.command);
  EXPECT_EQ(command.action, PprofCommand::Action::kDiff);
  EXPECT_EQ(command.base, "a");
  EXPECT_EQ(command.path, "b");
  EXPECT_EQ(command.sample_type, "cpu");
  EXPECT_EQ(command.count, 3u);
  EXPECT_TRUE(command.by_cum);
  EXPECT_TRUE(command.json);
  EXPECT_FALSE(command.all);
  EXPECT_THAT(Parse({"pprof", "diff", "a"}).error,
              HasSubstr("file is required"));
  EXPECT_THAT(Parse({"pprof", "top", "a", "--count=0"}).error,
              HasSubstr("--count"));
  EXPECT_EQ(Parse({"pprof"}).exit_code, 2);
}

TEST(CommandLineTest, EvidenceTakesPodAndId) {
  const auto get = ParseAs<IncidentCommand>(
      {"incident", "get", "db-0", "5f-2", "--file=x", "--force"});
  EXPECT_EQ(get.action, IncidentCommand::Action::kGet);
  EXPECT_EQ(get.pod_name, "db-0");
  EXPECT_EQ(get.id, "5f-2");
  EXPECT_EQ(get.path, "x");
  EXPECT_TRUE(get.force);
  EXPECT_EQ(get.query.url, "http://localhost:17913");
  EXPECT_EQ(get.query.timeout, 1h);
  const auto show = ParseAs<IncidentCommand>(
      {"incident", "show", "a", "b", "--output", "json", "--proxy=p:1"});
  EXPECT_EQ(show.action, IncidentCommand::Action::kShow);
  EXPECT_TRUE(show.json);
  EXPECT_EQ(show.query.url, "http://p:1");
  EXPECT_EQ(show.query.timeout, 1min);
  EXPECT_EQ(ParseAs<IncidentCommand>({"incident", "pin", "a", "b"}).action,
            IncidentCommand::Action::kPin);
  EXPECT_EQ(
      ParseAs<IncidentCommand>({"incident", "unpin", "a", "b", "--timeout=2s"})
          .query.timeout,
      2s);
  const auto open =
      ParseAs<CapsuleCommand>({"capsule", "open", "f", "--extract", "d"});
  EXPECT_EQ(open.path, "f");
  EXPECT_EQ(open.directory, "d");
  EXPECT_FALSE(open.json);
  for (const char* name : {"..", ".", "", "a/b"}) {
    EXPECT_EQ(Parse({"incident", "get", name, "x"}).exit_code, 2) << name;
    EXPECT_EQ(Parse({"incident", "pin", "x", name}).exit_code, 2) << name;
  }
}

TEST(CommandLineTest, TimesMayBeBeforeNow) {
  const auto window =
      ParseAs<WindowCommand>({"window", "--from", "-10m", "--to=-1m30s"});
  EXPECT_EQ(window.from_unix_ms, 999'400'500);
  EXPECT_EQ(window.to_unix_ms, 999'910'500);
  EXPECT_EQ(ParseAs<MetricsCommand>({"metrics", "--at", "-500ms"}).at_unix_ms,
            1'000'000'000);
  EXPECT_EQ(ParseAs<CatCommand>({"recording", "cat", "x", "--at", "-1.5s"})
                .at_unix_ms,
            999'999'000);
  for (const char* text : {"-5 minutes", "--5m", "5m", "now"}) {
    const CommandLine line = Parse({"metrics", StrCat("--at=", text)});
    EXPECT_FALSE(line.command.has_value()) << text;
    EXPECT_EQ(line.exit_code, 2);
  }
  EXPECT_THAT(Parse({"metrics", "--at", "5m"}).error,
              HasSubstr("nor a time before now such as -5m"));
}

TEST(CommandLineTest, TimesAreRfc3339OrSeconds) {
  const auto window = ParseAs<WindowCommand>(
      {"window", "--from", "2026-11-21T07:31:13.5Z", "--to=1795246300.25",
       "--match", "a", "--match", "b{c=\"d\"}", "--format", "csv"});
  EXPECT_EQ(window.from_unix_ms, 1795246273500);
  EXPECT_EQ(window.to_unix_ms, 1795246300250);
  EXPECT_THAT(window.matches, ElementsAre("a", "b{c=\"d\"}"));
  EXPECT_EQ(window.format, SampleFormat::kCsv);
}

TEST(CommandLineTest, WrongLinesNameWhatIsWrongAndExitWith2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{}, "subcommand"},
      {{"nodez"}, "'nodez'"},
      {{"nodes", "--output", "xml"}, "'xml'"},
      {{"nodes", "--watch", "0s"}, "--watch"},
      {{"nodes", "--for", "3s"}, "--watch"},
      {{"nodes", "--nope"}, "--nope"},
      {{"window", "--from", "noon"}, "noon"},
      {{"window", "--last", "5m", "--from", "0"}, "--last"},
      {{"window", "--from", "2", "--to", "1"}, "--from is after --to"},
      {{"window", "--from", "1e300"}, "1e300"},
      {{"recording"}, "subcommand"},
      {{"recording", "cat"}, "path"},
      {{"recording", "cat", "f", "--at", "1", "--to", "2"}, "--at"},
      {{"recording", "cat", "f", "--format", "xml"}, "'xml'"},
      {{"recording", "import", "d"}, "--output"},
      {{"incident"}, "subcommand"},
      {{"incident", "get", "p"}, "id is required"},
      {{"incident", "get", "..", "x"}, "must be a name, not '..'"},
      {{"capsule", "open"}, "file is required"},
      {{"capsule", "open", "f", "--output=xml"}, "'xml'"},
  };
  for (const auto& [arguments, words] : cases) {
    const CommandLine line = Parse(arguments);
    EXPECT_FALSE(line.command.has_value()) << words;
    EXPECT_EQ(line.exit_code, 2) << words;
    EXPECT_THAT(line.error, HasSubstr(words));
    EXPECT_EQ(line.out, "");
  }
}

TEST(CommandLineTest, HelpIsThereForEachCommand) {
  const std::vector<std::vector<std::string>> commands{{},
                                                       {"nodes"},
                                                       {"metrics"},
                                                       {"window"},
                                                       {"version"},
                                                       {"recording"},
                                                       {"recording", "stat"},
                                                       {"recording", "cat"},
                                                       {"recording", "import"},
                                                       {"pprof"},
                                                       {"pprof", "top"},
                                                       {"pprof", "diff"},
                                                       {"pprof", "raw"},
                                                       {"incident"},
                                                       {"incident", "show"},
                                                       {"incident", "get"},
                                                       {"incident", "pin"},
                                                       {"incident", "unpin"},
                                                       {"capsule"},
                                                       {"capsule", "open"}};
  for (std::vector<std::string> arguments : commands) {
    std::string name = "fodcctl";
    for (const std::string& a : arguments) name += " " + a;
    arguments.emplace_back("--help");
    const CommandLine line = Parse(arguments);
    EXPECT_EQ(line.exit_code, 0);
    EXPECT_THAT(line.out, HasSubstr("Usage: " + name));
  }
}

TEST(CommandLineTest, VersionIsACommandAndAFlag) {
  (void)ParseAs<VersionCommand>({"version"});
  (void)ParseAs<VersionCommand>({"--version"});
  (void)ParseAs<VersionCommand>({"--timeout", "5s", "--version"});
  (void)ParseAs<VersionCommand>({"nodes", "--version"});
}

}  // namespace
}  // namespace fodc::ctl
