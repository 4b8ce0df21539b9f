// SPDX-License-Identifier: Apache-2.0
// What `fodcctl pprof` takes for a profile of 50 MiB, beside `go tool pprof`:
// wall time and the most memory, each in a process of its own.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/wire.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

using pprof::WireMessage;

constexpr std::size_t kMessageBytes = 50u << 20;
constexpr std::uint32_t kFunctions = 24'000;
constexpr std::uint32_t kLocations = 80'000;
constexpr int kRepeats = 3;
constexpr double kFloor = 0.5;
constexpr char kGo[] = "/usr/bin/go";  // Debian's

// A heap as that of a large Go server: stacks of a call tree, 8 to 40 deep,
// each seen with a few sizes; a location in six has something inlined.
// Streams, so that this process stays small: a child is counted with the
// memory that it is started from.
class ProfileFile {
 public:
  explicit ProfileFile(const std::string& path)
      : path_(path),
        fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                   0600)),
        random_(42) {}

  // `growth`: of what is in use, so that two profiles differ.
  Status Write(std::int64_t growth) {
    auto gzip = pprof::GzipWriter::Create([this](std::string_view piece) {
      return WriteAll(fd_.get(), piece, path_);
    });
    FODC_RETURN_IF_ERROR(gzip.status());
    gzip_ = std::move(*gzip);
    FODC_RETURN_IF_ERROR(WriteHead());
    FODC_RETURN_IF_ERROR(WritePlaces());
    std::vector<std::uint32_t> stack;
    while (bytes_ < kMessageBytes) {
      FODC_RETURN_IF_ERROR(WriteSample(growth, &stack));
    }
    return gzip_->Finish();
  }

  std::int64_t in_use() const { return in_use_; }

 private:
  std::uint32_t Random(std::uint32_t bound) {
    return static_cast<std::uint32_t>(random_() % bound);
  }
  Status Field(std::uint32_t number, std::string_view bytes) {
    field_.Clear();
    field_.Bytes(number, bytes);
    bytes_ += field_.bytes().size();
    return gzip_->Write(field_.bytes());
  }
  Status String(std::string_view text) {
    ++strings_;
    return Field(pprof::kProfileStringTable, text);
  }

  Status WriteHead() {
    for (const char* text :
         {"", "alloc_objects", "count", "alloc_space", "bytes", "inuse_objects",
          "inuse_space", "/usr/bin/server"}) {
      FODC_RETURN_IF_ERROR(String(text));
    }
    constexpr std::array<std::array<std::uint64_t, 2>, 4> kTypes = {
        {{1, 2}, {3, 4}, {5, 2}, {6, 4}}};
    for (const auto& [type, unit] : kTypes) {
      part_.Clear();
      part_.Uint(pprof::kValueTypeType, type);
      part_.Uint(pprof::kValueTypeUnit, unit);
      FODC_RETURN_IF_ERROR(Field(pprof::kProfileSampleType, part_.bytes()));
    }
    part_.Clear();
    part_.Uint(pprof::kMappingId, 1);
    part_.Uint(pprof::kMappingStart, 0x400000);
    part_.Uint(pprof::kMappingLimit, 0x8000000);
    part_.Uint(pprof::kMappingFilename, 7);
    part_.Uint(pprof::kMappingHasFunctions, 1);
    return Field(pprof::kProfileMapping, part_.bytes());
  }

  Status WritePlaces() {
    for (std::uint32_t i = 1; i <= kFunctions; ++i) {
      const std::uint64_t name = strings_;
      FODC_RETURN_IF_ERROR(
          String(StrCat("example.org/server/internal/part", i % 400, ".(*Type",
                        i % 3000, ").Method", i)));
      FODC_RETURN_IF_ERROR(String(StrCat("example.org/server/internal/part",
                                         i % 400, "/file", i % 3000, ".go")));
      part_.Clear();
      part_.Uint(pprof::kFunctionId, i);
      part_.Uint(pprof::kFunctionName, name);
      part_.Uint(pprof::kFunctionSystemName, name);
      part_.Uint(pprof::kFunctionFilename, name + 1);
      FODC_RETURN_IF_ERROR(Field(pprof::kProfileFunction, part_.bytes()));
    }
    for (std::uint32_t i = 1; i <= kLocations; ++i) {
      part_.Clear();
      part_.Uint(pprof::kLocationId, i);
      part_.Uint(pprof::kLocationMappingId, 1);
      part_.Uint(pprof::kLocationAddress, 0x400000 + 64 * i);
      for (std::uint32_t k = 0; k <= (i % 6 == 0 ? 1u : 0u); ++k) {
        line_.Clear();
        line_.Uint(pprof::kLineFunctionId, (i * 7 + k * 13) % kFunctions + 1);
        line_.Uint(pprof::kLineLine, i % 900 + 1);
        part_.Bytes(pprof::kLocationLine, line_.bytes());
      }
      FODC_RETURN_IF_ERROR(Field(pprof::kProfileLocation, part_.bytes()));
    }
    return OkStatus();
  }

  Status WriteSample(std::int64_t growth, std::vector<std::uint32_t>* stack) {
    // Mostly another leaf of the calls before.
    const std::size_t depth = 8 + Random(33);
    stack->resize(std::min<std::size_t>(stack->size(), Random(30)));
    std::uint32_t at = stack->empty() ? 1 : stack->back();
    while (stack->size() < depth) {
      at = (at * 31 + Random(4)) % kLocations;  // what this one calls
      stack->push_back(at + 1);
    }
    ids_.Clear();
    for (auto it = stack->rbegin(); it != stack->rend(); ++it) {
      ids_.Varint(*it);
    }
    const std::int64_t size = 16 << Random(12);
    const std::int64_t count = 1 + Random(1000);
    const std::int64_t live =
        Random(3) == 0 ? Random(100) * (Random(4) == 0 ? growth : 1) : 0;
    values_.Clear();
    for (const std::int64_t value : {count, count * size, live, live * size}) {
      values_.Varint(static_cast<std::uint64_t>(value));
    }
    in_use_ += live * size;
    line_.Clear();
    line_.Uint(pprof::kLabelKey, 4);
    line_.Uint(pprof::kLabelNumber, static_cast<std::uint64_t>(size));
    part_.Clear();
    part_.Bytes(pprof::kSampleLocationId, ids_.bytes());
    part_.Bytes(pprof::kSampleValue, values_.bytes());
    part_.Bytes(pprof::kSampleLabel, line_.bytes());
    return Field(pprof::kProfileSample, part_.bytes());
  }

  std::string path_;
  UniqueFd fd_;
  std::mt19937 random_;
  std::unique_ptr<pprof::GzipWriter> gzip_;
  WireMessage field_;
  WireMessage part_;
  WireMessage line_;
  WireMessage ids_;
  WireMessage values_;
  std::uint64_t strings_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t in_use_ = 0;
};

struct Cost {
  double seconds = 0;
  double max_rss_mib = 0;
};

// Of a process that must end well.
Result<Cost> RunOnce(const std::vector<std::string>& argv,
                     const std::string& out) {
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));  // as execv wants it
  }
  words.push_back(nullptr);
  Cost cost;
  rusage usage{};
  int status = -1;
  cost.seconds = TimeSeconds([&] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int fd =
          ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ::dup2(fd, STDOUT_FILENO);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
    if (pid > 0) (void)::wait4(pid, &status, 0, &usage);
  });
  if (status != 0) {
    return Unavailable(StrCat(argv[0], ": wait status ", status));
  }
  cost.max_rss_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  return cost;
}

Result<Cost> RunMedian(const std::vector<std::string>& argv) {
  std::vector<double> seconds;
  std::vector<double> mib;
  for (int i = 0; i < kRepeats; ++i) {
    FODC_ASSIGN_OR_RETURN(const Cost cost, RunOnce(argv, "/dev/null"));
    seconds.push_back(cost.seconds);
    mib.push_back(cost.max_rss_mib);
  }
  return Cost{Median(seconds), Median(mib)};
}

Status Compare(Reporter* reporter, const std::string& what,
               const std::vector<std::string>& our_argv,
               const std::vector<std::string>& their_argv) {
  FODC_ASSIGN_OR_RETURN(const Cost ours, RunMedian(our_argv));
  FODC_ASSIGN_OR_RETURN(const Cost theirs, RunMedian(their_argv));
  reporter->Report(what + "_seconds", ours.seconds, "s");
  reporter->Report(what + "_seconds_go", theirs.seconds, "s");
  reporter->Report(what + "_time_of_go", ours.seconds / theirs.seconds, "ratio",
                   kFloor, Reporter::Floor::kAtMost);
  reporter->Report(what + "_max_rss", ours.max_rss_mib, "MiB");
  reporter->Report(what + "_max_rss_go", theirs.max_rss_mib, "MiB");
  reporter->Report(what + "_memory_of_go",
                   ours.max_rss_mib / theirs.max_rss_mib, "ratio", kFloor,
                   Reporter::Floor::kAtMost);
  return OkStatus();
}

Status Run(Reporter* reporter) {
  if (::access(kGo, X_OK) != 0) {
    return NotFound(StrCat("there is no ", kGo, ": install golang-go"));
  }
  const TempDirectory dir;
  const std::string base = dir.File("base.pb.gz");
  const std::string now = dir.File("now.pb.gz");
  FODC_RETURN_IF_ERROR(ProfileFile(base).Write(1));
  ProfileFile now_file(now);
  FODC_RETURN_IF_ERROR(now_file.Write(3));

  const std::string fodcctl = test::ProgramPath("fodcctl");
  // That it is the same profile, and counted.
  const std::string out = dir.File("out");
  FODC_RETURN_IF_ERROR(
      RunOnce({fodcctl, "pprof", "top", "--json", now}, out).status());
  FODC_ASSIGN_OR_RETURN(const std::string json, ReadFile(out));
  const std::string total = StrCat("\"total\":", now_file.in_use(), ",");
  if (json.find(total) == std::string::npos) {
    return Internal(StrCat("not of the profile's total: ", total));
  }
  FODC_RETURN_IF_ERROR(
      Compare(reporter, "top", {fodcctl, "pprof", "top", now},
              {kGo, "tool", "pprof", "-top", "-symbolize=none", now}));
  return Compare(reporter, "diff", {fodcctl, "pprof", "diff", base, now},
                 {kGo, "tool", "pprof", "-top", "-symbolize=none",
                  "-diff_base=" + base, now});
}

int Main(int argc, char** argv) {
  Reporter reporter("pprof");
  if (const Status status = Run(&reporter); !status.ok()) {
    (void)std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return reporter.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
