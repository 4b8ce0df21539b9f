// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/hotnode/node.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::hotnode {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kScanPieceBytes = 4 << 20;
constexpr std::size_t kGrowthBytes = 4 << 20;
constexpr milliseconds kDropInterval{100};
constexpr milliseconds kGrowthInterval{50};
constexpr milliseconds kReadTick{2};

constexpr std::pair<std::string_view, Disturbance> kWords[] = {
    {"calm", Disturbance::kCalm},         {"eviction", Disturbance::kEviction},
    {"pressure", Disturbance::kPressure}, {"scan", Disturbance::kScan},
    {"cold", Disturbance::kCold},         {"misses", Disturbance::kMisses},
};

Result<UniqueFd> Open(const std::string& path, int advice) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  if (const int e = ::posix_fadvise(fd.get(), 0, 0, advice))
    return ErrnoStatus(e, "fadvise " + path);
  return fd;
}

void ReadAt(int fd, std::uint64_t at, char* to, std::size_t bytes) {
  FODC_CHECK(::pread(fd, to, bytes, static_cast<off_t>(at)) ==
             static_cast<ssize_t>(bytes));
}

}  // namespace

std::optional<Disturbance> ParseDisturbance(std::string_view word) {
  for (const auto& [name, disturbance] : kWords) {
    if (name == word) return disturbance;
  }
  return {};
}

BlockCache::BlockCache()
    : held_(kSlots, ~std::uint64_t{0}), bytes_(kSlots * kBlockBytes) {}

bool BlockCache::Read(int fd, std::uint64_t block) {
  const std::uint64_t slot = block % kSlots;
  if (held_[slot] == block) return true;
  ReadAt(fd, block * kBlockBytes, &bytes_[slot * kBlockBytes], kBlockBytes);
  held_[slot] = block;
  return false;
}

Result<std::unique_ptr<Node>> Node::Start(const NodeOptions& options) {
  const DataFiles& f = options.files;
  // Databases say that they read at random: no readahead then.
  FODC_ASSIGN_OR_RETURN(UniqueFd hot, Open(f.hot_path, POSIX_FADV_RANDOM));
  FODC_ASSIGN_OR_RETURN(UniqueFd wide, Open(f.wide_path, POSIX_FADV_RANDOM));
  FODC_ASSIGN_OR_RETURN(UniqueFd scan,
                        Open(f.wide_path, POSIX_FADV_SEQUENTIAL));
  std::unique_ptr<Node> node(
      new Node(options, std::move(hot), std::move(wide), std::move(scan)));
  node->Load();
  node->reader_ = std::thread([n = node.get()] { n->ReadAlways(); });
  node->disturber_ = std::thread([n = node.get()] { n->DisturbAlways(); });
  return node;
}

Node::Node(const NodeOptions& options, UniqueFd hot, UniqueFd wide,
           UniqueFd scan)
    : options_(options),
      hot_(std::move(hot)),
      wide_(std::move(wide)),
      scan_(std::move(scan)) {}

Node::~Node() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (reader_.joinable()) reader_.join();
  if (disturber_.joinable()) disturber_.join();
}

void Node::Disturb(Disturbance disturbance) {
  {
    const std::lock_guard lock(mutex_);
    disturbance_ = disturbance;
  }
  changed_.notify_all();
}

// Twice, so that the kernel knows these pages for active ones.
void Node::Load() {
  char page[kPageBytes];
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t p = 0; p < options_.files.hot_bytes / kPageBytes; ++p)
      ReadAt(hot_.get(), p * kPageBytes, page, kPageBytes);
  }
  for (std::uint64_t b = 0; b < BlockCache::slots(); ++b)
    (void)block_cache_.Read(wide_.get(), b);
}

// What could not be read in time is left out: the clients of a slow database
// wait, they do not ask more.
void Node::ReadAlways() {
  const double tick_seconds = std::chrono::duration<double>(kReadTick).count();
  double hot_due = 0;
  double block_due = 0;
  auto next = Clock::now();
  while (!stopping_) {
    hot_due += options_.hot_reads_per_second * tick_seconds;
    block_due += options_.block_reads_per_second * tick_seconds;
    for (; hot_due >= 1; hot_due -= 1) ReadHot();
    for (; block_due >= 1; block_due -= 1) ReadBlock(disturbance_);
    next = std::max(next + kReadTick, Clock::now());
    std::this_thread::sleep_until(next);
  }
}

void Node::ReadHot() {
  random_ ^= random_ << 13;  // xorshift64
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  char page[kPageBytes];
  const std::uint64_t page_number =
      random_ % (options_.files.hot_bytes / kPageBytes);
  ReadAt(hot_.get(), page_number * kPageBytes, page, kPageBytes);
  ++reads_;
}

void Node::ReadBlock(Disturbance now) {
  if (now == Disturbance::kCold) {
    char block[kBlockBytes];
    ReadAt(wide_.get(), NextColdBlock() * kBlockBytes, block, kBlockBytes);
    ++reads_;
    return;
  }
  const std::uint64_t block = now == Disturbance::kMisses
                                  ? NextColdBlock()
                                  : random_ % BlockCache::slots();
  if (block_cache_.Read(wide_.get(), block)) {
    ++hits_;
  } else {
    ++misses_;
    ++reads_;
  }
}

// All blocks of the wide file in an order without neighbours, each once.
std::uint64_t Node::NextColdBlock() {
  const std::uint64_t blocks = options_.files.wide_bytes / kBlockBytes;
  std::uint64_t stride = 2'654'435'761;
  while (std::gcd(stride, blocks) != 1) ++stride;
  std::uint64_t block = 0;
  do {
    block = ++cold_blocks_ * stride % blocks;
  } while (block < BlockCache::slots());
  return block;
}

void Node::DisturbAlways() {
  while (!stopping_) {
    switch (const Disturbance now = disturbance_) {
      case Disturbance::kEviction:
        do {
          FODC_CHECK(::posix_fadvise(hot_.get(), 0, 0, POSIX_FADV_DONTNEED) ==
                     0);
          ++drops_;
        } while (Pause(now, kDropInterval));
        break;
      case Disturbance::kPressure:
        HoldMemory();
        break;
      case Disturbance::kScan:
        ScanOnce();
        break;
      default:  // the reader does these
        while (Pause(now, std::chrono::hours(1))) {
        }
    }
  }
}

bool Node::Pause(Disturbance disturbance, milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(
      lock, time, [&] { return stopping_ || disturbance_ != disturbance; });
}

void Node::ScanOnce() {
  std::vector<char> piece(kScanPieceBytes);
  const milliseconds interval(kScanPieceBytes * 1000 /
                              options_.scan_bytes_per_second);
  off_t at = 0;
  do {
    const ssize_t n = ::pread(scan_.get(), piece.data(), piece.size(), at);
    FODC_CHECK(n >= 0);
    at += n;
    scanned_bytes_ += static_cast<std::uint64_t>(n);
    if (n == 0) Disturb(Disturbance::kCalm);
  } while (Pause(Disturbance::kScan, interval));
}

void Node::HoldMemory() {
  const std::size_t bytes = options_.pressure_bytes;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FODC_CHECK(memory != MAP_FAILED);
  std::size_t held = 0;
  do {
    held = std::min(held + kGrowthBytes, bytes);
    // All of it again: with swap it would go otherwise.
    for (std::size_t at = 0; at < held; at += kPageBytes)
      static_cast<volatile char*>(memory)[at] = 1;
  } while (Pause(Disturbance::kPressure, kGrowthInterval));
  (void)::munmap(memory, bytes);
}

std::string Node::Page() const {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view type,
                          std::string_view help, std::uint64_t value) {
    out += StrCat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type,
                  "\n", name, " ", value, "\n");
  };
  add("hotnode_reads_total", "counter", "Blocks read from files.", reads_);
  add("hotnode_block_cache_hits_total", "counter",
      "Blocks that the block cache had.", hits_);
  add("hotnode_block_cache_misses_total", "counter",
      "Blocks that it did not have.", misses_);
  add("hotnode_scanned_bytes_total", "counter", "Bytes that scans read.",
      scanned_bytes_);
  add("hotnode_compaction_bytes_total", "counter",
      "Bytes that compactions read and wrote: there are none.", 0);
  add("hotnode_background_io_bytes_total", "counter",
      "Bytes of other background work: there is none.", 0);
  add("hotnode_evictions_total", "counter",
      "How often the hot pages were dropped.", drops_);
  return out;
}

}  // namespace fodc::hotnode
