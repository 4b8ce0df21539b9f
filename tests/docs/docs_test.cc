// SPDX-License-Identifier: Apache-2.0
// docs/reference against the programs: flags, routes and metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "fodc/agent/server.h"
#include "fodc/api/api.h"
#include "fodc/api/incidents_text.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/collect/kernel_samples.h"
#include "fodc/fleet/fleet.h"
#include "fodc/kernel/reading_testing.h"
#include "fodc/recorder/snapshot.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using testing::ContainerEq;
using testing::HasSubstr;

std::string ReadDoc(const std::string& name) {
  const auto text = ReadFile(test::SourcePath("docs/reference/" + name));
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *text : "";
}

// What stands under `## <title>...`, up to the next such heading; of all
// sections whose title begins so.
std::string Section(const std::string& text, const std::string& title) {
  std::string section;
  bool inside = false;
  for (const std::string_view line : Split(text, '\n')) {
    if (line.starts_with("## ")) {
      inside = line.substr(3).starts_with(title);
    } else if (inside) {
      section += StrCat(line, "\n");
    }
  }
  EXPECT_NE(section, "") << title;
  return section;
}

// What stands under `### <title>`, up to the next heading.
std::string Subsection(const std::string& text, const std::string& title) {
  const std::size_t at = text.find(StrCat("\n### ", title, "\n"));
  EXPECT_NE(at, std::string::npos) << title;
  if (at == std::string::npos) return "";
  return text.substr(at, text.find("\n##", at + 1) - at);
}

// Every word that stands in code.
std::set<std::string> CodeWords(const std::string& cell) {
  std::set<std::string> words;
  const auto pieces = Split(cell, '`');
  for (std::size_t i = 1; i < pieces.size(); i += 2) words.emplace(pieces[i]);
  return words;
}

std::string Unquoted(std::string_view cell) {
  cell = Trim(cell);
  if (cell.size() >= 2 && cell.front() == '`' && cell.back() == '`') {
    cell = cell.substr(1, cell.size() - 2);
  }
  return std::string(cell);
}

// Cells of the table rows whose first cell is code; `|` in code is not split.
std::vector<std::vector<std::string>> Rows(const std::string& section) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string_view line : Split(section, '\n')) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells(1);
    bool code = false;
    for (const char c : line.substr(1)) {
      code ^= c == '`';
      if (c == '|' && !code) {
        cells.emplace_back();
      } else {
        cells.back().push_back(c);
      }
    }
    for (std::string& cell : cells) cell = std::string(Trim(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}

// --- cli.md

class FlagsDocTest : public testing::TestWithParam<const char*> {};

TEST_P(FlagsDocTest, TableSaysWhatHelpSays) {
  const Output help = RunToEnd({ProgramPath(GetParam()), "--help"});
  ASSERT_EQ(help.exit_code, 0) << help.err;
  std::map<std::string, std::pair<std::string, std::string>> real;
  const std::regex flag(R"re(^  (--[a-z0-9-]+) (\w+) \(default "(.*)"\)$)re");
  for (const std::string_view line : Split(help.out, '\n')) {
    std::smatch m;
    const std::string text(line);
    if (std::regex_match(text, m, flag)) real[m[1]] = {m[2], m[3]};
  }
  ASSERT_GT(real.size(), 10U);
  std::set<std::string> documented;
  for (const auto& row : Rows(Section(ReadDoc("cli.md"), GetParam()))) {
    const std::string name = Unquoted(row[0]);
    if (!name.starts_with("--")) continue;
    documented.insert(name);
    const auto it = real.find(name);
    if (it == real.end()) {
      ADD_FAILURE() << name << " is documented, and unknown to --help";
      continue;
    }
    if (name == "--help" || name == "--version") continue;
    EXPECT_EQ(row[1], it->second.first) << name;
    // Prose is for what is found out at run time.
    const bool is_prose = !row[2].empty() && row[2].front() != '`';
    EXPECT_EQ(is_prose ? "" : Unquoted(row[2]), it->second.second) << name;
  }
  for (const auto& [name, what] : real) {
    EXPECT_TRUE(documented.contains(name)) << name << " is not in cli.md";
  }
}
INSTANTIATE_TEST_SUITE_P(Programs, FlagsDocTest,
                         testing::Values("fodc-agent", "fodc-proxy"),
                         [](const auto& program) {
                           return std::string(program.param).substr(5);
                         });

// --- backup.md

class BackupFlagsDocTest : public testing::TestWithParam<const char*> {};

TEST_P(BackupFlagsDocTest, TablesSayWhatHelpSays) {
  std::vector<std::string> argv = {ProgramPath("fodc-backup")};
  for (const std::string_view word : Split(GetParam(), ' '))
    argv.emplace_back(word);
  argv.emplace_back("--help");
  const Output help = RunToEnd(argv);
  ASSERT_EQ(help.exit_code, 0) << help.err;
  const std::string doc = ReadDoc("backup.md");
  std::set<std::string> real;
  const std::regex flag(R"re(^  (--[a-z0-9-]+) (\w+) \(default "(.*)"\)$)re");
  const auto lines = Split(help.out, '\n');
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    std::smatch m;
    const std::string text(lines[i]);
    if (!std::regex_match(text, m, flag)) continue;
    const std::string standard = m[3].str();
    real.insert(StrCat("| `", m[1].str(), "` | ", m[2].str(), " | ",
                       standard.empty() ? "" : "`" + standard + "`", " | ",
                       Trim(lines[i + 1]), " |"));
  }
  ASSERT_GT(real.size(), 5U);
  std::set<std::string> documented;
  const bool has_store =
      std::string_view(GetParam()) != "restore timedir create";
  std::string sections = Section(doc, "Flags of all commands");
  if (has_store)
    sections += Section(doc, "Flags of every command that reaches a store");
  sections += Section(doc, StrCat("fodc-backup ", GetParam()));
  for (const std::string_view line : Split(sections, '\n')) {
    if (line.starts_with("| `--")) documented.emplace(line);
  }
  EXPECT_THAT(documented, ContainerEq(real));
}
INSTANTIATE_TEST_SUITE_P(Commands, BackupFlagsDocTest,
                         testing::Values("run", "restore run",
                                         "restore timedir list",
                                         "restore timedir create", "verify",
                                         "list", "prune"),
                         [](const auto& command) {
                           std::string name = command.param;
                           std::ranges::replace(name, ' ', '_');
                           return name;
                         });

// Every metric's name is in the table, and in the program.
TEST(BackupMetricsDocTest, AreThoseOfThePage) {
  const std::string doc = Section(ReadDoc("backup.md"), "Metrics");
  const auto source = ReadFile(SourcePath("src/fodc/backup/metrics.cc"));
  ASSERT_TRUE(source.ok());
  std::set<std::string> real;
  const std::regex name("\"(fodc_(?:backup|restore)_[a-z_]+)\"");
  for (std::sregex_iterator at(source->begin(), source->end(), name), end;
       at != end; ++at) {
    real.insert((*at)[1]);
  }
  real.erase("fodc_backup_build");
  std::set<std::string> documented;
  for (const auto& row : Rows(doc)) documented.insert(Unquoted(row[0]));
  EXPECT_THAT(documented, ContainerEq(real));
}

// Blocks that begin with `$ fodcctl ... --help` are what it prints.
TEST(FodcctlDocTest, BlocksAreWhatHelpPrints) {
  const std::string section = Section(ReadDoc("cli.md"), "fodcctl");
  std::set<std::string> shown;
  std::size_t at = 0;
  while ((at = section.find("```text\n$ ", at)) != std::string::npos) {
    at += 10;
    const std::size_t line_end = section.find('\n', at);
    const std::string line = section.substr(at, line_end - at);
    const std::size_t end = section.find("\n```", line_end);
    ASSERT_NE(end, std::string::npos);
    std::vector<std::string> argv;
    for (const std::string_view word : Split(line, ' ')) {
      argv.emplace_back(word);
    }
    ASSERT_EQ(argv[0], "fodcctl");
    argv[0] = ProgramPath("fodcctl");
    const Output o = RunToEnd(argv, 20s, {{"FODC_PROXY", ""}});
    EXPECT_EQ(Trim(o.out), Trim(section.substr(line_end, end - line_end)))
        << "of: " << line;
    shown.insert(line);
    at = end;
  }
  for (const char* command : {"",
                              " nodes",
                              " incidents",
                              " metrics",
                              " window",
                              " recording",
                              " recording stat",
                              " recording cat",
                              " recording import",
                              " pprof",
                              " pprof top",
                              " pprof diff",
                              " pprof raw",
                              " incident",
                              " incident show",
                              " incident get",
                              " incident pin",
                              " incident unpin",
                              " capsule",
                              " capsule open"}) {
    EXPECT_TRUE(shown.contains(StrCat("fodcctl", command, " --help")))
        << command;
  }
}

// --- http.md

using Routes = std::map<std::string, std::string>;  // path -> role

Routes Documented(const std::string& program) {
  Routes routes;
  for (const auto& row : Rows(Section(ReadDoc("http.md"), program))) {
    const std::string path = Unquoted(row[0]);
    if (path.starts_with("/") && row.size() >= 3) routes[path] = row[1];
  }
  return routes;
}

Routes Real(const std::vector<net::HttpServer::RouteInfo>& list) {
  Routes routes;
  for (const auto& route : list) {
    if (route.method != "GET") continue;  // there to refuse
    routes[route.pattern] = net::AccessName(route.access);
  }
  return routes;
}

class NoCommander : public fleet::AgentCommander {
 public:
  void RequestMetrics(const fleet::AgentId&, const fleet::MetricsQuestion&,
                      MonotonicTime, MetricsCallback) override {}
};

TEST(HttpDocTest, ProxyTableIsItsRoutes) {
  net::EventLoop loop(SystemClock());
  fleet::Fleet fleet(SystemClock(), {});
  NoCommander commander;
  api::Api api(loop, fleet, commander, {});
  net::HttpServer server(loop);
  api.Install(&server);
  EXPECT_THAT(Documented("fodc-proxy"), ContainerEq(Real(server.routes())));
}

TEST(HttpDocTest, IncidentsHaveTheFieldsAndParametersThatAreListed) {
  fleet::Fleet fleet(SystemClock(), {});
  fleet::Registry::Claim claim;
  claim.kind = fleet::AgentKind::kFlight;
  claim.identity.pod_name = claim.identity.instance_id = "a";
  claim.identity.incarnation = 1;
  claim.identity.role = "ROLE_DATA";
  evidence::Incident incident;
  incident.id = incident.detector = incident.verdict = "x";
  incident.started_ms = incident.updated_ms = 1;
  incident.numbers = {{"n", 1}};
  ASSERT_TRUE(
      fleet.TakeIncidents(fleet.Admit(claim).id, {std::move(incident)}).ok());
  std::string text;
  api::IncidentsText answer(
      fleet, SystemClock().Monotonic(), {},
      [](const fleet::Agent&) { return true; }, nullptr);
  ASSERT_FALSE(answer.Append(&text, 1u << 20));
  const auto document = nlohmann::json::parse(text);
  const auto& shown = document["incidents"][0];
  std::set<std::string> real;
  for (const auto& [key, value] : shown.items()) real.insert(key);

  std::set<std::string> documented;
  std::set<std::string> parameters;
  const std::string section = Subsection(ReadDoc("http.md"), "`/incidents`");
  bool is_answer = false;
  for (const std::string_view line : Split(section, '\n')) {
    is_answer |= line.starts_with("| key");
    for (const auto& row : Rows(std::string(line))) {
      (is_answer ? documented : parameters).merge(CodeWords(row[0]));
      if (row[0] == "`agent`") {
        for (const auto& [key, value] : shown["agent"].items()) {
          EXPECT_TRUE(CodeWords(row[1]).contains(key)) << key;
        }
      }
    }
  }
  EXPECT_THAT(documented, ContainerEq(real));
  // Each is looked at: an answer of nonsense is none.
  for (const std::string& parameter : parameters) {
    if (parameter == "verdict") continue;  // any word may be one
    const auto query = net::Query::Parse(StrCat(parameter, "=nonsense"));
    EXPECT_THAT(api::IncidentFilter::Parse(*query).status().message(),
                HasSubstr(parameter));
  }
  EXPECT_EQ(parameters.size(), 5U);
  EXPECT_TRUE(document.contains("total"));
}

TEST(HttpDocTest, AgentTableIsItsRoutes) {
  net::EventLoop loop(SystemClock());
  const auto server = agent::Server::Start(
      loop,
      {.listen_address = "127.0.0.1:0",
       .diagnosis_address = "127.0.0.1:0",
       .diagnosis_required = false,
       .version = "x",
       .revision = ""},
      {.page = nullptr, .not_ready = nullptr, .explain = nullptr});
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  EXPECT_THAT(Documented("fodc-agent"), ContainerEq(Real((*server)->routes())));
}

// --- metrics.md

// Families of the pages by name, with the word of their TYPE line.
std::map<std::string, std::string> OwnFamilies(const std::string& page) {
  std::map<std::string, std::string> families;
  for (const std::string_view line : Split(page, '\n')) {
    const auto words = Split(line, ' ');
    if (words.size() != 4 || words[0] != "#" || words[1] != "TYPE") continue;
    const std::string_view name = words[2];
    if (name.starts_with("fodc_") || name.starts_with("scrape_") ||
        name.starts_with("ktm_") || name == "up") {
      families[std::string(name)] = words[3];
    }
  }
  return families;
}

TEST(MetricsDocTest, TablesAreTheFamiliesThatAreExposed) {
  const TempDirectory dir("fodc-docs");
  // The second page has a bad line, the endpoint behind it does not answer.
  const FakeEndpoint good(std::string("good 1\nbad line here\n"));
  FodcProxy proxy(dir, {"--heartbeat-interval=1s"});
  FodcAgent agent(dir, {.pod = "a",
                        .endpoint_ports = {good.port(), FreePort()},
                        .containers = {},
                        .proxy_ports = {proxy.grpc_port()},
                        .interval = "200ms",
                        .role = "ROLE_DATA",
                        .labels = "",
                        .recorder_dir = "spill",
                        .flags = {}});
  ASSERT_TRUE(proxy.Start());
  ASSERT_TRUE(agent.Start());
  ASSERT_TRUE(WaitUntil([&] {
    return ValueOf(proxy.Get("/metrics").body, "good") == 1 &&
           ValueOf(agent.Get("/metrics").body,
                   "fodc_agent_spill_writes_total") >= 1;
  }));
  const std::string agent_page = agent.Get("/metrics").body;
  const std::string proxy_page = proxy.Get("/metrics").body;
  auto exposed = OwnFamilies(agent_page);
  exposed.merge(OwnFamilies(proxy_page));
  ASSERT_GT(exposed.size(), 50U);

  std::map<std::string, std::string> documented;
  // What needs more than this test has says so in its row.
  const std::vector<std::string> conditions{"only with", "absent if",
                                            "there once", "absent before"};
  std::set<std::string> optional;
  for (const auto& row : Rows(ReadDoc("metrics.md"))) {
    const std::string name = Unquoted(row[0]);
    documented[name] = row[1];
    for (const std::string& condition : conditions) {
      if (row.back().find(condition) != std::string::npos ||
          (row.size() > 3 && row[3].find(condition) != std::string::npos)) {
        optional.insert(name);
      }
    }
    // Not every machine has a cgroup that tells, or PSI.
    if (name.starts_with("fodc_container_") ||
        name.starts_with("fodc_pressure_")) {
      optional.insert(name);
    }
  }
  for (const auto& [name, type] : exposed) {
    const auto it = documented.find(name);
    if (it == documented.end()) {
      ADD_FAILURE() << name << " is exposed, and not in metrics.md";
    } else {
      EXPECT_EQ(it->second, type) << name;
    }
  }
  for (const auto& [name, type] : documented) {
    EXPECT_TRUE(exposed.contains(name) || optional.contains(name) ||
                !(name.starts_with("fodc_") || name.starts_with("scrape_") ||
                  name == "up"))
        << name << " is in metrics.md, and not exposed";
  }
}

// Whatever this machine's kernel allows.
TEST(MetricsDocTest, KernelTelemetryHasTheFamiliesOfTheTable) {
  kernel::TargetReading reading = kernel::FullReading();
  reading.state = kernel::FilterState::kOff;  // has a reason
  kernel::Overview overview;
  overview.families[0].reason = "refused";
  overview.kswapd.emplace();
  recorder::Recording recording(1, {});
  collect::KernelSamples samples(recording, "db", "db", {});
  kernel::KernelEvent event;
  samples.OnEvent(event);
  event.kind = kernel::KernelEvent::Kind::kOomVictim;
  event.anon_bytes = 1;
  samples.OnEvent(event);
  samples.Record(reading, overview, {.monotonic_ms = 1, .unix_ms = 1});
  std::map<std::string, std::string> exposed;
  for (const recorder::SourceFrame& frame : recording.Latest()) {
    for (const recorder::SeriesRef& s : *frame.series)
      exposed[std::string(s->family())] = exposition::MetricTypeName(s->type());
  }
  std::map<std::string, std::string> documented;
  for (const auto& row : Rows(ReadDoc("metrics.md"))) {
    const std::string name = Unquoted(row[0]);
    if (name.starts_with("ktm_")) documented[name] = row[1];
  }
  EXPECT_THAT(documented, ContainerEq(exposed));
}

}  // namespace
}  // namespace fodc::test
