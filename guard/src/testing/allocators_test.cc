// SPDX-License-Identifier: Apache-2.0
// Real programs on real allocators: what their heap profiles say of a heap that
// is known (heap_work.h), and what Go's pprof makes of them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/pprof/heap_table_reader.h"
#include "fodc/pprof/profile.h"
#include "heap_work.h"
#include "tests/support/paths.h"

namespace fodc::guard::testing {
namespace {

using ::testing::HasSubstr;

// A heap program, talked to by its standard input and output.
class Program {
 public:
  Program(const std::string& name,
          const std::vector<std::string>& environment) {
    int in[2];
    int out[2];
    FODC_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    path_ = test::ProgramPath("../test/guard_heap_" + name);
    path_ = std::filesystem::weakly_canonical(path_);
    pid_ = fork();
    FODC_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      std::vector<char*> variables;
      for (const std::string& v : environment) {
        variables.push_back(const_cast<char*>(v.c_str()));
      }
      variables.push_back(nullptr);
      char* arguments[] = {path_.data(), nullptr};
      execve(path_.c_str(), arguments, variables.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    in_.reset(in[1]);
    out_.reset(out[0]);
    greeting_ = Line();
  }
  ~Program() { Kill(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const std::string& greeting() const { return greeting_; }
  const std::string& path() const { return path_; }
  pid_t pid() const { return pid_; }

  std::string Ask(const std::string& words) {
    FODC_CHECK(WriteAll(in_.get(), words + "\n", "program").ok());
    return Line();
  }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  std::string Line() {
    std::string line;
    char c = 0;
    while (read(out_.get(), &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }

  pid_t pid_ = -1;
  std::string path_;
  UniqueFd in_;
  UniqueFd out_;
  std::string greeting_;
};

std::string RunCommand(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "re");
  FODC_CHECK(pipe != nullptr);
  std::string text;
  std::array<char, 4096> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    text += buffer.data();
  }
  pclose(pipe);
  return text;
}

double MiB(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Of all samples with a stack.
double Attributed(const pprof::Profile& p, std::string_view type) {
  const std::size_t at = p.FindSampleType(type).value();
  std::int64_t sum = 0;
  pprof::SampleReader samples(p);
  for (std::size_t i = 0; i < p.sample_count(); ++i) {
    const auto sample = samples.Read(i);
    if (!sample.locations.empty()) sum += sample.values[at];
  }
  return MiB(static_cast<std::size_t>(sum));
}

pprof::Profile ReadFileProfile(const std::string& path) {
  const auto bytes = ReadFile(path);
  EXPECT_THAT(bytes, IsOk());
  auto p = pprof::ReadProfile(*bytes);
  EXPECT_THAT(p, IsOk());
  return *std::move(p);
}

struct Allocator {
  const char* program;
  const char* source;
  // Sampled every 16 KiB: 48 MiB are then known to some hundredths.
  const char* variable;
};

class AllocatorTest : public ::testing::TestWithParam<Allocator> {};

// 16 MiB in each of three functions live, and 96 MiB are gone.
constexpr double kLive = 3.0 * kKeptBytes / (1 << 20);

TEST_P(AllocatorTest, AttributesWhatLivesToWhoAllocatedIt) {
  const TempDirectory dir;
  Program program(GetParam().program, {GetParam().variable});
  ASSERT_EQ(program.greeting(), GetParam().source);
  const std::string path = dir.File("heap.pb.gz");
  ASSERT_EQ(program.Ask("heap " + path), "OK");
  const pprof::Profile p = ReadFileProfile(path);
  EXPECT_EQ(p.period(), 16384);
  EXPECT_EQ(p.default_sample_type(), "inuse_space");
  EXPECT_GT(Attributed(p, "inuse_space"), 0.9 * kLive);
  EXPECT_LT(Attributed(p, "inuse_space"), 1.15 * kLive);
  EXPECT_GE(Attributed(p, "alloc_space"), Attributed(p, "inuse_space"));
  ASSERT_FALSE(p.mappings().empty());
  EXPECT_EQ(p.Text(p.mappings()[0].path).substr(0, 190),
            program.path().substr(0, 190));
  EXPECT_EQ(p.Text(p.mappings()[0].build_id).size(), 40u);

  if (access("/usr/bin/go", X_OK) != 0) {
    std::puts("SKIPPED: golang-go is not installed");
    GTEST_SKIP();
  }
  const std::string top = RunCommand(
      "HOME=" + dir.path() + " /usr/bin/go tool pprof -top -cum " + path);
  for (const char* name :
       {"KeepLargeBlocks", "KeepSmallBlocks", "KeepNewArrays"}) {
    EXPECT_THAT(top, HasSubstr(name));
  }
  EXPECT_THAT(top, ::testing::Not(HasSubstr("ChurnBlocks")));
  EXPECT_THAT(top, HasSubstr("Type: inuse_space"));
}

// Go's pprof asks our endpoint for names, where it finds none itself.
TEST_P(AllocatorTest, IsServedAndNamedOverHttp) {
  const TempDirectory dir;
  Program program(GetParam().program, {GetParam().variable});
  const std::string address = program.Ask("serve 127.0.0.1:0");
  ASSERT_THAT(address, HasSubstr("127.0.0.1:"));
  if (access("/usr/bin/go", X_OK) != 0) {
    std::puts("SKIPPED: golang-go is not installed");
    GTEST_SKIP();
  }
  const std::string top =
      RunCommand("HOME=" + dir.path() +
                 " /usr/bin/go tool pprof -symbolize=remote -top -cum http://" +
                 address + "/debug/pprof/heap");
  for (const char* name :
       {"KeepLargeBlocks", "KeepSmallBlocks", "KeepNewArrays"}) {
    EXPECT_THAT(top, HasSubstr(name));
  }
}

TEST_P(AllocatorTest, TellsItsOwnFigures) {
  const TempDirectory dir;
  Program program(GetParam().program, {GetParam().variable});
  const std::string path = dir.File("allocator");
  ASSERT_EQ(program.Ask("allocator " + path), "OK");
  const std::string text = ReadFile(path).value_or("");
  const std::string_view name = GetParam().source;
  EXPECT_THAT(text, HasSubstr(name == "jemalloc"     ? "jemalloc statistics"
                              : name == "gperftools" ? "MALLOC:"
                                                     : "<malloc version"));
}

INSTANTIATE_TEST_SUITE_P(
    All, AllocatorTest,
    ::testing::Values(
        Allocator{"jemalloc", "jemalloc",
                  "MALLOC_CONF=prof:true,lg_prof_sample:14"},
        Allocator{"tcmalloc", "gperftools", "TCMALLOC_SAMPLE_PARAMETER=16384"},
        Allocator{"sampler", "sampler", "FODC_GUARD_HEAP_SAMPLE_BYTES=16384"}),
    [](const auto& test) { return test.param.program; });

TEST(NoSourceTest, SaysWhatItTakes) {
  const TempDirectory dir;
  Program glibc("glibc", {});
  EXPECT_THAT(glibc.greeting(), HasSubstr("jemalloc with prof:true"));
  EXPECT_THAT(glibc.Ask("heap " + dir.File("x")),
              HasSubstr("FAILED_PRECONDITION"));
  // There, but not sampling.
  Program jemalloc("jemalloc", {});
  EXPECT_THAT(jemalloc.greeting(), HasSubstr("no heap profile"));
  Program off("sampler", {"FODC_GUARD_HEAP_SAMPLE_BYTES=0"});
  EXPECT_THAT(off.greeting(), HasSubstr("no heap profile"));
  EXPECT_EQ(pprof::FindHeapTable("/proc", off.pid()).status().code(),
            Code::kNotFound);
}

TEST(SamplerTest, CountsWhatIsFreedAsAllocated) {
  const TempDirectory dir;
  Program program("sampler", {"FODC_GUARD_HEAP_SAMPLE_BYTES=16384"});
  const std::string path = dir.File("heap.pb.gz");
  ASSERT_EQ(program.Ask("heap " + path), "OK");
  const pprof::Profile p = ReadFileProfile(path);
  // malloc of 8 KiB, then realloc to 16: 96 + 48 MiB that are gone.
  EXPECT_NEAR(Attributed(p, "alloc_space") - Attributed(p, "inuse_space"), 144,
              20);
}

// The agent finds the table, the process is killed, and all is there.
TEST(SamplerTest, ItsTableIsReadAfterItWasKilled) {
  Program program("sampler", {"FODC_GUARD_HEAP_SAMPLE_BYTES=16384"});
  const auto fd = pprof::FindHeapTable("/proc", program.pid());
  ASSERT_THAT(fd, IsOk());
  const auto view = pprof::HeapTableView::Map(fd->get());
  ASSERT_THAT(view, IsOk());
  program.Kill();
  const auto table = view->Read();
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->dropped_samples, 0u);
  EXPECT_EQ(table->dropped_stacks, 0u);
  std::string bytes;
  ASSERT_THAT(pprof::WriteHeapProfile(*table, {},
                                      [&bytes](std::string_view piece) {
                                        bytes += piece;
                                        return OkStatus();
                                      }),
              IsOk());
  const auto p = pprof::ReadProfile(bytes);
  ASSERT_THAT(p, IsOk());
  EXPECT_GT(Attributed(*p, "inuse_space"), 0.9 * kLive);
  EXPECT_LT(Attributed(*p, "inuse_space"), 1.15 * kLive);
}

// A child allocates and frees what its parent had: neither is the table's.
TEST(SamplerTest, AChildAfterForkChangesNothing) {
  const TempDirectory dir;
  Program program("sampler", {"FODC_GUARD_HEAP_SAMPLE_BYTES=16384"});
  const auto fd = pprof::FindHeapTable("/proc", program.pid());
  ASSERT_THAT(fd, IsOk());
  const auto view = pprof::HeapTableView::Map(fd->get());
  ASSERT_THAT(view, IsOk());
  const auto before = view->Read();
  ASSERT_THAT(before, IsOk());
  ASSERT_EQ(program.Ask("fork"), "child 0");
  const auto after = view->Read();
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->freed, before->freed);
  // The parent itself has written a line or two meanwhile.
  EXPECT_LE(after->sampled, before->sampled + 3);
}

}  // namespace
}  // namespace fodc::guard::testing
