// SPDX-License-Identifier: Apache-2.0
// The library as its users have it: built by itself, installed, found by CMake
// and by pkg-config; and what docs/operation/guard.md tells them to write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace fodc::test {
namespace {

using std::chrono_literals::operator""min;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

std::string Read(const std::string& path) {
  const auto text = ReadFile(path);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

void Write(const std::string& path, std::string_view text) {
  ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
}

// What the document has in fences of a language, in its order.
std::vector<std::string> Blocks(std::string_view language) {
  const std::string page = Read(SourcePath("docs/operation/guard.md"));
  const std::string begin = StrCat("\n```", language, "\n");
  std::vector<std::string> blocks;
  for (std::size_t at = page.find(begin); at != std::string::npos;
       at = page.find(begin, at)) {
    at += begin.size();
    const std::size_t end = page.find("\n```\n", at);
    if (end == std::string::npos) break;
    blocks.push_back(page.substr(at, end + 1 - at));
    at = end;
  }
  EXPECT_THAT(blocks, Not(IsEmpty())) << language;
  return blocks;
}

std::string Host(std::string_view name) {
  return Read(SourcePath(StrCat("tests/guard/import/", name)));
}

// By a shell, as the document's lines are meant; what fails is shown.
Output Shell(const std::string& command,
             std::vector<std::pair<std::string, std::string>> env = {}) {
  return RunToEnd({"/bin/sh", "-ec", command}, 14min, std::move(env));
}

void MustRun(const std::string& command) {
  const Output o = Shell(command);
  ASSERT_EQ(o.exit_code, 0) << command << "\n" << o.out << o.err;
}

class ImportTest : public ::testing::Test {
 protected:
  // Built beside the tree of this build, as deep below the root: a cache of
  // compiled files then serves both. What was built before is not built again.
  static void SetUpTestSuite() {
    // NOLINTBEGIN(concurrency-mt-unsafe): no other thread is there yet
    const char* tree = std::getenv("FODC_GUARD_TREE");
    const char* flags = std::getenv("FODC_GUARD_FLAGS");
    // NOLINTEND(concurrency-mt-unsafe)
    ASSERT_TRUE(tree != nullptr && flags != nullptr) << "to be run by ctest";
    installed_.emplace("fodc_guard_import");
    prefix_ = installed_->File("prefix");
    ASSERT_NO_FATAL_FAILURE(
        MustRun(StrCat("cmake -S ", SourcePath("guard"), " -B ", tree, " ",
                       flags, "\ncmake --build ", tree,
                       " -j2\ncmake --install ", tree, " --prefix ", prefix_)));
    for (const auto& entry : fs::recursive_directory_iterator(prefix_)) {
      if (entry.path().extension() == ".pc") {
        pkg_config_path_ = entry.path().parent_path();
      }
    }
  }
  static void TearDownTestSuite() { installed_.reset(); }
  void SetUp() override {
    ASSERT_FALSE(pkg_config_path_.empty()) << "it is not installed";
  }

  std::string PkgConfig(std::string_view command) const {
    return StrCat("cd ", dir_.path(),
                  "\nexport PKG_CONFIG_PATH=", pkg_config_path_, "\n", command);
  }
  // Runs the program that a test has made, its directories beside it.
  Output RunNode(std::string_view database) const {
    return RunNode(database, database.starts_with("grows") ? "64" : "0");
  }
  Output RunNode(std::string_view database, std::string_view threshold) const {
    return Shell(
        StrCat("cd ", dir_.path(), " && exec ./node"),
        {{"DATABASE", std::string(database)},
         {"FODC_GUARD_MEMORY_SHUTDOWN_THRESHOLD_MB", std::string(threshold)}});
  }
  // What both programs promise, whatever their language.
  void ExpectToLiveByTheGuard() const {
    const Output good = RunNode("ends");
    EXPECT_EQ(good.exit_code, 0) << good.err;
    EXPECT_THAT(good.err, Not(HasSubstr("watchdog")));
    const std::string last = dir_.File("life/last-exit.json");
    EXPECT_THAT(Read(last), HasSubstr(R"("cause":"stop")"));

    // A typo is said, and stops nothing.
    const Output typo = RunNode("ends", "512MiB");
    EXPECT_EQ(typo.exit_code, 0) << typo.err;
    EXPECT_THAT(typo.err,
                AllOf(HasSubstr("_SHUTDOWN_THRESHOLD_MB"), HasSubstr("512MiB"),
                      Not(HasSubstr("watchdog enabled"))));

    const Output full = RunNode("grows");
    EXPECT_EQ(full.exit_code, 2) << full.err;
    EXPECT_THAT(full.err, HasSubstr("memory watchdog enabled"));
    EXPECT_THAT(full.err, HasSubstr("memory pressure shutdown"));
    EXPECT_THAT(full.err, Not(HasSubstr("shutdown error")));
    EXPECT_THAT(Read(last), HasSubstr(R"("cause":"pressure")"));
    EXPECT_THAT(Read(last), HasSubstr(R"("threshold_bytes":67108864)"));

    // R1, R2: an error that follows hides nothing, and is said.
    const Output failed = RunNode("grows and fails");
    EXPECT_EQ(failed.exit_code, 2) << failed.err;
    EXPECT_THAT(failed.err, HasSubstr("shutdown error after memory pressure"));
    EXPECT_EQ(RunNode("fails").exit_code, 1);

    const Output crashed = RunNode("crashes");
    EXPECT_EQ(crashed.exit_code, 128 + SIGSEGV);
    const auto records = ListDirectory(dir_.File("crash"));
    ASSERT_THAT(records, IsOk());
    ASSERT_THAT(*records, SizeIs(1));
    EXPECT_THAT(
        Read(StrCat(dir_.File("crash"), "/", (*records)[0], "/panic.json")),
        HasSubstr("SIGSEGV"));
    EXPECT_EQ(RunNode("ends").exit_code, 0);
  }

  TempDirectory dir_{"fodc_guard_import"};
  static std::optional<TempDirectory> installed_;
  static std::string prefix_;
  static std::string pkg_config_path_;
};
std::optional<TempDirectory> ImportTest::installed_;
std::string ImportTest::prefix_;
std::string ImportTest::pkg_config_path_;

TEST_F(ImportTest, TheProgramOfTheDocumentLivesByItThroughCmake) {
  Write(dir_.File("node.cc"), Blocks("cpp")[0]);
  Write(dir_.File("database.h"), Host("database.h"));
  ASSERT_THAT(Blocks("cmake"), SizeIs(1));
  Write(dir_.File("CMakeLists.txt"), Blocks("cmake")[0]);
  ASSERT_NO_FATAL_FAILURE(MustRun(StrCat(
      "cd ", dir_.path(), "\ncmake -S . -B build ",
      "-DCMAKE_BUILD_TYPE=Release ",
      "-DCMAKE_CXX_FLAGS='-Wall -Wextra -Werror' ", "-DCMAKE_PREFIX_PATH=",
      prefix_, "\ncmake --build build\ncp build/node .\nrm -rf build")));
  ExpectToLiveByTheGuard();
}

TEST_F(ImportTest, TheProgramInCLivesByItThroughPkgConfig) {
  Write(dir_.File("node.c"), Blocks("c")[0]);
  Write(dir_.File("database.h"), Host("database_in_c.h"));
  std::string line;
  for (const std::string& block : Blocks("sh")) {
    if (block.find("pkg-config") != std::string::npos) line = block;
  }
  ASSERT_TRUE(line.starts_with("cc -std=c99 ")) << line;
  line.insert(3, "-Wall -Wextra -pedantic -Werror ");
  ASSERT_NO_FATAL_FAILURE(MustRun(PkgConfig(line)));
  ExpectToLiveByTheGuard();
}

TEST_F(ImportTest, TheLinesOfTheDocumentCompile) {
  std::string page = "#include \"parts.h\"\n";
  std::string functions;
  const std::vector<std::string> blocks = Blocks("cpp");
  ASSERT_GT(blocks.size(), 7U);
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    functions += StrCat("Status Part", i, "() {\n");
    for (const std::string_view line : Split(blocks[i], '\n')) {
      std::string& into = line.starts_with("#include") ? page : functions;
      into += StrCat(line, "\n");
    }
    functions += "  return fodc::OkStatus();\n}\n";
  }
  Write(dir_.File("parts.cc"), page + functions);
  Write(dir_.File("parts.h"), Host("parts.h"));
  Write(dir_.File("database.h"), Host("database.h"));
  ASSERT_NO_FATAL_FAILURE(
      MustRun(PkgConfig("c++ -std=c++20 -Wall -Wextra -fsyntax-only parts.cc "
                        "$(pkg-config --cflags fodc-guard)")));
}

// In one file each, so that it takes seconds.
TEST_F(ImportTest, EveryPublicHeaderIsInstalledWithAllThatItNames) {
  const fs::path include = SourcePath("guard/include");
  std::string of_cpp;
  std::string of_c;
  int headers = 0;
  for (const auto& entry : fs::recursive_directory_iterator(include)) {
    if (entry.path().extension() != ".h") continue;
    ++headers;
    const std::string name = fs::relative(entry.path(), include);
    const bool is_c = name.find("/c/") != std::string::npos;
    (is_c ? of_c : of_cpp) += StrCat("#include <", name, ">\n");
  }
  EXPECT_GT(headers, 20);
  Write(dir_.File("all.cc"), of_cpp + of_c);
  Write(dir_.File("all.c"), of_c);
  ASSERT_NO_FATAL_FAILURE(
      MustRun(PkgConfig("c++ -std=c++20 -fsyntax-only all.cc "
                        "$(pkg-config --cflags fodc-guard)\n"
                        "cc -std=c99 -pedantic-errors -fsyntax-only all.c "
                        "$(pkg-config --cflags fodc-guard)")));
}

// Whatever part a host uses: all that the archives refer to is to be had by
// what pkg-config says.
TEST_F(ImportTest, TheArchivesAreWhole) {
  Write(dir_.File("none.c"), "int main(void) { return 0; }\n");
  ASSERT_NO_FATAL_FAILURE(MustRun(PkgConfig(
      "cc none.c -Wl,--whole-archive $(pkg-config --libs-only-L --libs-only-l "
      "fodc-guard-sampler | tr ' ' '\\n' | grep -e -L -e fodc) "
      "-Wl,--no-whole-archive $(pkg-config --libs fodc-guard) -o whole\n"
      "./whole")));
}

// docs/reference/guard-metrics.md is compared with the library.
TEST(GuardDocTest, NamesNoMetricThatThereIsNot) {
  const std::string known = Read(SourcePath("docs/reference/guard-metrics.md"));
  const std::string page = Read(SourcePath("docs/operation/guard.md"));
  std::vector<std::string> unknown;
  int named = 0;
  for (std::size_t at = page.find("fodc_guard_"); at != std::string::npos;
       at = page.find("fodc_guard_", at + 1)) {
    const std::size_t end =
        page.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", at);
    const std::string name = page.substr(at, end - at);
    // Not the types and functions of the programs in C.
    if (at == 0 || page[at - 1] != '`') continue;
    if (page[end] == '(') continue;
    ++named;
    if (known.find(StrCat("`", name, "`")) == std::string::npos) {
      unknown.push_back(name);
    }
  }
  EXPECT_THAT(unknown, ElementsAre());
  EXPECT_GT(named, 3);
}

}  // namespace
}  // namespace fodc::test
