// SPDX-License-Identifier: Apache-2.0
// A process whose memory grows, for tests of those who watch it. At SIGTERM it
// frees what it has and ends with 0, as a database would.
//
//   grower --group=DIR... --name=COMM --rate=MB/s [--until=MiB] [--stubborn]
//          [--reserve=MiB] [--read=FILE] [--map=FILE]
//
// It joins the cgroups, says "ready", and at SIGUSR1 begins to grow: to
// `until`, where it stays, or for ever. `stubborn`: it does not heed SIGTERM.
// `reserve`: as much more that is never touched. `read`: a file that is read
// over and over. `map`: one that is mapped, and touched over and over. It says
// "round" after each time.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::test {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
// Memory is mapped in such pieces, and touched page by page.
constexpr std::uint64_t kPiece = 16 * kMiB;

volatile sig_atomic_t g_stop = 0;
volatile sig_atomic_t g_go = 0;
void OnTerm(int) { g_stop = 1; }
void OnGo(int) { g_go = 1; }

struct Wanted {
  std::vector<std::string> groups;
  std::uint64_t rate_mb_per_second = 100;
  std::optional<std::uint64_t> until_mib;
  std::uint64_t reserve_mib = 0;
  bool is_stubborn = false;
  std::string file;
  std::string mapped;
};

std::uint64_t Number(std::string_view text) {
  const auto number = ParseUint(text);
  FODC_CHECK(number.has_value());
  return *number;
}

Wanted Parse(int argc, char** argv) {
  Wanted w;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    if (ConsumePrefix(&arg, "--group=")) {
      w.groups.emplace_back(arg);
    } else if (ConsumePrefix(&arg, "--name=")) {
      FODC_CHECK(::prctl(PR_SET_NAME, arg.data()) == 0);
    } else if (ConsumePrefix(&arg, "--rate=")) {
      w.rate_mb_per_second = Number(arg);
    } else if (ConsumePrefix(&arg, "--until=")) {
      w.until_mib = Number(arg);
    } else if (ConsumePrefix(&arg, "--reserve=")) {
      w.reserve_mib = Number(arg);
    } else if (ConsumePrefix(&arg, "--read=")) {
      w.file = arg;
    } else if (ConsumePrefix(&arg, "--map=")) {
      w.mapped = arg;
    } else {
      FODC_CHECK(arg == "--stubborn");
      w.is_stubborn = true;
    }
  }
  return w;
}

void Join(const std::string& group) {
  const std::string path = group + "/cgroup.procs";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok() && WriteAll(fd.get(), "0", path).ok());
}

char* Map(std::uint64_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FODC_CHECK(at != MAP_FAILED);
  return static_cast<char*>(at);
}

void ReadWhole(const std::string& path) {
  static std::vector<char> buffer(kMiB);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok());
  while (g_stop == 0 && ::read(fd.get(), buffer.data(), buffer.size()) > 0) {
  }
}

void Say(const char* text) {
  (void)std::puts(text);
  (void)std::fflush(stdout);
}

std::string_view MapFile(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat s {};
  FODC_CHECK(fd.ok() && ::fstat(fd.get(), &s) == 0);
  const auto size = static_cast<std::size_t>(s.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  FODC_CHECK(at != MAP_FAILED);
  return {static_cast<const char*>(at), size};
}

void Touch(std::string_view mapped) {
  const volatile char* const bytes = mapped.data();
  for (std::size_t i = 0; g_stop == 0 && i < mapped.size(); i += PageBytes())
    (void)bytes[i];
}

int Run(const Wanted& w) {
  for (const std::string& group : w.groups) Join(group);
  struct sigaction action {};
  action.sa_handler = w.is_stubborn ? SIG_IGN : OnTerm;
  (void)::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = OnGo;
  (void)::sigaction(SIGUSR1, &action, nullptr);
  if (w.reserve_mib > 0) (void)Map(w.reserve_mib * kMiB);
  const std::string_view mapped =
      w.mapped.empty() ? std::string_view() : MapFile(w.mapped);
  Say("ready");

  const std::uint64_t most = w.until_mib.value_or(1u << 20) * kMiB;
  const std::uint64_t page = PageBytes();
  std::vector<char*> pieces;
  pieces.reserve(1u << 16);
  std::uint64_t grown = 0;
  std::uint64_t allowed = 0;
  // A step of a millisecond's growth, then a rest of one.
  while (g_stop == 0) {
    const timespec rest{.tv_sec = 0, .tv_nsec = 1'000'000};
    (void)::nanosleep(&rest, nullptr);
    if (g_go == 0) continue;
    if (!w.file.empty()) ReadWhole(w.file);
    Touch(mapped);
    if (!w.file.empty() || !mapped.empty()) Say("round");
    allowed = std::min(allowed + w.rate_mb_per_second * 1000, most);
    while (g_stop == 0 && grown + page <= allowed) {
      if (grown % kPiece == 0) pieces.push_back(Map(kPiece));
      pieces.back()[grown % kPiece] = 1;
      grown += page;
    }
  }
  for (char* piece : pieces) (void)::munmap(piece, kPiece);
  (void)std::puts("ended in good order");
  return 0;
}

}  // namespace
}  // namespace fodc::test

int main(int argc, char** argv) {
  return fodc::test::Run(fodc::test::Parse(argc, argv));
}
