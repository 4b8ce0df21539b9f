// SPDX-License-Identifier: Apache-2.0
// The log: appending with a sync per batch beside plain writes and syncs of as
// many bytes, and starting from a log beside plain reads and a checksum of its
// files; with a torn tail, too.
//
// --check: exit code 1 if a floor is missed.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/crc32c.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guard/wal.h"

namespace fodc::bench {
namespace {

constexpr int kRounds = 5;
constexpr std::uint64_t kLogBytes = std::uint64_t{512} << 20;
constexpr std::uint64_t kSegmentBytes = std::uint64_t{64} << 20;
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr double kLeastRecoveryMbPerSecond = 500;
// Of what is read, over the size of the log: the end of the last segment is
// looked at again.
constexpr double kMostReadShare = 1.02;

std::unique_ptr<guard::Wal> OpenLog(const std::string& directory) {
  guard::WalOptions options;
  options.directory = directory;
  options.log.segment_bytes = kSegmentBytes;
  auto made = guard::Wal::Create(options);
  FODC_CHECK(made.ok());
  return *std::move(made);
}

void MakeLog(const std::string& directory, std::size_t record_bytes) {
  const auto log = OpenLog(directory);
  FODC_CHECK(log->Read(nullptr).ok());
  std::string payload(record_bytes, '\0');
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(i * 131 % 251 + 1);
  }
  const std::vector<wal::NewRecord> batch(
      std::max<std::size_t>((1u << 20) / record_bytes, 1), {1, payload});
  while (log->size_bytes() < kLogBytes) FODC_CHECK(log->Append(batch).ok());
  FODC_CHECK(log->Sync().ok());
}

std::vector<std::string> Segments(const std::string& directory) {
  std::vector<std::string> paths;
  for (const std::string& name : ListDirectory(directory).value_or({})) {
    if (name.ends_with(".wal")) paths.push_back(StrCat(directory, "/", name));
  }
  return paths;
}

// Asks the kernel to read the files from the disk the next time.
void Forget(const std::string& directory) {
  for (const std::string& path : Segments(directory)) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    FODC_CHECK(fd.ok());
    (void)::fdatasync(fd.get());
    (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

std::uint64_t BytesRead() {
  const Result<std::string> io = ReadFile("/proc/self/io");
  return io.ok() && io->starts_with("rchar: ") ? std::stoull(io->substr(7)) : 0;
}

// What any reader that checks all bytes must do.
std::uint64_t PlainReadAndChecksum(const std::string& directory) {
  std::string piece(kReadBytes, '\0');
  std::uint64_t bytes = 0;
  std::uint32_t sum = 0;
  for (const std::string& path : Segments(directory)) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    FODC_CHECK(fd.ok());
    for (;;) {
      const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
      FODC_CHECK(n >= 0);
      if (n == 0) break;
      const auto got = static_cast<std::size_t>(n);
      sum = ExtendCrc32c(sum, {piece.data(), got});
      bytes += got;
    }
  }
  // The sum is used, or the loop is not.
  FODC_CHECK(sum != 1 || bytes > 0);
  return bytes;
}

// A start. Returns the bytes of the log.
std::uint64_t Recover(const std::string& directory, bool is_repair) {
  const auto log = OpenLog(directory);
  std::uint64_t records = 0;
  const auto summary = log->Read([&records](const wal::Record&) {
    ++records;
    return OkStatus();
  });
  FODC_CHECK(summary.ok() && summary->repaired == is_repair);
  return log->size_bytes();
}

double MbPerSecond(std::uint64_t bytes, double seconds) {
  return static_cast<double>(bytes) / 1e6 / seconds;
}

template <typename Work>
double MedianMbPerSecond(const std::string& directory, bool is_cold,
                         const Work& work) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    if (is_cold) Forget(directory);
    std::uint64_t bytes = 0;
    const double seconds = TimeSeconds([&] { bytes = work(directory); });
    rounds.push_back(MbPerSecond(bytes, seconds));
  }
  return Median(std::move(rounds));
}

void BenchRecovery(Reporter* reporter, std::size_t record_bytes) {
  const TempDirectory dir;
  MakeLog(dir.path(), record_bytes);
  const std::string suffix = StrCat("_records_of_", record_bytes);
  const auto recover = [](const std::string& d) { return Recover(d, false); };
  for (const bool is_cold : {false, true}) {
    const std::string where = is_cold ? "_from_disk" : "_from_cache";
    reporter->Report(
        StrCat("recovery", where, suffix),
        MedianMbPerSecond(dir.path(), is_cold, recover), "MB/s",
        !is_cold ? std::optional(kLeastRecoveryMbPerSecond) : std::nullopt);
    reporter->Report(
        StrCat("plain_read_and_crc32c", where, suffix),
        MedianMbPerSecond(dir.path(), is_cold, PlainReadAndChecksum), "MB/s");
  }
  // With a torn tail.
  const std::string last = Segments(dir.path()).back();
  const Result<std::string> bytes = ReadFile(last);
  FODC_CHECK(bytes.ok());
  FODC_CHECK(::truncate(last.c_str(), static_cast<off_t>(bytes->size() - 5)) ==
             0);
  const std::uint64_t begin = BytesRead();
  std::uint64_t size = 0;
  const double seconds = TimeSeconds([&] { size = Recover(dir.path(), true); });
  const double read = static_cast<double>(BytesRead() - begin);
  reporter->Report(StrCat("repair_bytes_read_over_size", suffix),
                   read / static_cast<double>(size), "", kMostReadShare,
                   Reporter::Floor::kAtMost);
  reporter->Report(StrCat("repair_seconds_per_gib", suffix),
                   seconds * 1073741824 / static_cast<double>(size), "s");
}

// Median microseconds of one batch, written and synced.
void BenchAppend(Reporter* reporter, std::size_t records,
                 std::size_t record_bytes) {
  constexpr int kBatches = 200;
  const TempDirectory dir;
  const auto log = OpenLog(dir.File("log"));
  FODC_CHECK(log->Read(nullptr).ok());
  const std::string payload(record_bytes, 'x');
  const std::vector<wal::NewRecord> batch(records, {1, payload});
  std::vector<double> ours;
  for (int i = 0; i < kBatches; ++i) {
    ours.push_back(1e6 * TimeSeconds([&] {
                     FODC_CHECK(log->Append(batch).ok() && log->Sync().ok());
                   }));
  }
  const std::string plain_path = dir.File("plain");
  const UniqueFd fd(
      ::open(plain_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  FODC_CHECK(fd.ok());
  const std::string bytes(records * (record_bytes + wal::kRecordOverheadBytes),
                          'x');
  std::vector<double> plain;
  for (int i = 0; i < kBatches; ++i) {
    plain.push_back(1e6 * TimeSeconds([&] {
                      FODC_CHECK(WriteAll(fd.get(), bytes, plain_path).ok() &&
                                 ::fdatasync(fd.get()) == 0);
                    }));
  }
  std::vector<double> unsynced;
  for (int i = 0; i < kBatches; ++i) {
    unsynced.push_back(
        1e6 * TimeSeconds([&] { FODC_CHECK(log->Append(batch).ok()); }));
  }
  const std::string suffix = StrCat("_", records, "x", record_bytes);
  reporter->Report("append_sync" + suffix, Median(std::move(ours)), "us");
  reporter->Report("plain_write_sync" + suffix, Median(std::move(plain)), "us");
  reporter->Report("append_without_sync" + suffix, Median(std::move(unsynced)),
                   "us");
}

int Main(int argc, char** argv) {
  Reporter reporter("bench_wal");
  BenchRecovery(&reporter, 100);
  BenchRecovery(&reporter, 1000);
  BenchRecovery(&reporter, 100'000);
  BenchAppend(&reporter, 1, 1000);
  BenchAppend(&reporter, 64, 1000);
  return reporter.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
