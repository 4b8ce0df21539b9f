// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/support/paths.h"

namespace fodc::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBytes = 4ull << 30;
constexpr double kOfTheBaseline = 0.8;
constexpr double kMaxRssMib = 64;
constexpr int kRounds = 3;
constexpr std::size_t kPiece = 256u << 10;

class Hash {
 public:
  Hash() {
    FODC_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Update(const char* data, std::size_t bytes) {
    FODC_CHECK(EVP_DigestUpdate(context_.get(), data, bytes) == 1);
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_{EVP_MD_CTX_new()};
};

// Reads it all; false at the end of a call that failed.
template <typename Take>
void ReadAll(int fd, const Take& take) {
  std::vector<char> piece(kPiece);
  for (;;) {
    const ssize_t n = ::read(fd, piece.data(), piece.size());
    FODC_CHECK(n >= 0);
    if (n == 0) return;
    take(piece.data(), static_cast<std::size_t>(n));
  }
}

// What any client of a store has to do at the least: the digest of the file,
// which stands before the body; the body on a socket; and, at the other end,
// the digest of what comes.
double SendOnRawSocket(const std::string& file) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  FODC_CHECK(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                    sizeof address) == 0);
  FODC_CHECK(::listen(listener.get(), 1) == 0);
  FODC_CHECK(::getsockname(listener.get(),
                           reinterpret_cast<sockaddr*>(&address),
                           &length) == 0);
  const MonotonicTime began = SystemClock().Monotonic();
  std::thread receiver([&] {
    const UniqueFd peer(::accept(listener.get(), nullptr, nullptr));
    Hash hash;
    ReadAll(peer.get(),
            [&](const char* data, std::size_t n) { hash.Update(data, n); });
  });
  const UniqueFd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  Hash hash;
  ReadAll(in.get(),
          [&](const char* data, std::size_t n) { hash.Update(data, n); });
  FODC_CHECK(::lseek(in.get(), 0, SEEK_SET) == 0);
  {
    const UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    FODC_CHECK(::connect(out.get(), reinterpret_cast<sockaddr*>(&address),
                         sizeof address) == 0);
    ReadAll(in.get(), [&](const char* data, std::size_t n) {
      FODC_CHECK(WriteAll(out.get(), {data, n}, "socket").ok());
    });
  }
  receiver.join();
  return std::chrono::duration<double>(SystemClock().Monotonic() - began)
      .count();
}

double Rate(std::vector<double> seconds) {
  return static_cast<double>(kBytes) / 1e6 / Median(std::move(seconds));
}

void ReportPair(const std::string& label, const std::vector<double>& ours,
                const std::vector<double>& baseline, double rss,
                Reporter* report) {
  using enum Reporter::Floor;
  report->Report(label, Rate(ours), "MB/s");
  report->Report(label + "_baseline", Rate(baseline), "MB/s");
  report->Report(label + "_of_the_baseline", Rate(ours) / Rate(baseline), "",
                 kOfTheBaseline);
  report->Report(label + "_rss", rss, "MiB", kMaxRssMib, kAtMost);
}

// Each begins with nothing that waits for the disk.
void Settle(const std::string& gone) {
  std::error_code ignored;
  fs::remove_all(gone, ignored);
  ::sync();
}

}  // namespace

void RunLarge(Reporter* report) {
  const Scratch scratch;
  const std::string tree = scratch.File("tree");
  const std::string file = tree + "/file";
  const std::string copy = scratch.File("copy");
  fs::create_directories(tree);
  MakeLargeFile(file, kBytes);
  const std::string program = test::ProgramPath("fodc-backup");
  std::vector<double> ours;
  std::vector<double> baseline;
  double rss = 0;
  for (int round = 0; round < kRounds; ++round) {
    Settle(copy);
    const Measured run =
        MustRun({program, "run", "--dest=file://" + copy,
                 "--snapshot-dir=" + tree, "--log-level=warn"});
    ours.push_back(run.seconds);
    rss = std::max(rss, run.rss_mib);
    Settle(copy);
    baseline.push_back(MustRun({"sh", "-c",
                                StrCat("cp ", file, " ", copy, " && sync ",
                                       copy, " && sha256sum ", copy)})
                           .seconds);
  }
  ReportPair("large_file", ours, baseline, rss, report);
  Settle(copy);

  ours.clear();
  baseline.clear();
  rss = 0;
  ObjectServer server({"--fast-etag", "--discard"});
  for (int round = 0; round < kRounds; ++round) {
    const Measured run = MustRun(
        {program, "run", StrCat("--dest=", server.Url(StrCat("b", round))),
         "--snapshot-dir=" + tree, "--log-level=warn"},
        ObjectServer::Credentials());
    ours.push_back(run.seconds);
    rss = std::max(rss, run.rss_mib);
    baseline.push_back(SendOnRawSocket(file));
  }
  ReportPair("large_s3", ours, baseline, rss, report);
}

}  // namespace fodc::bench
