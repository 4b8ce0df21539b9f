// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/recording_file.h"

#include <xxhash.h>

#include <algorithm>
#include <functional>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/log_applier.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {
namespace {

constexpr std::string_view kMagic = "FDR\r\n\x1a\n";
constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kBlockMagic = "FDRB";
constexpr std::size_t kBlockHeaderBytes = 17;  // magic, kind, length, checksum
constexpr std::size_t kMaxRecordingFileBytes = std::size_t{4} << 30;
constexpr std::size_t kMaxBatchBytes = std::size_t{16} << 20;
// What a file may make of its bytes, in memory or on the way: this much and so
// many times its size.
constexpr std::size_t kFreeBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxGrowth = 64;

enum BlockKind : std::uint8_t { kInfo = 1, kEntries = 2, kEnd = 3 };

std::uint64_t Checksum(std::uint8_t kind, std::string_view payload) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(),
                              kind + payload.size() * 256);
}

void AppendBlock(std::string* out, BlockKind kind, std::string_view payload) {
  out->append(kBlockMagic);
  out->push_back(static_cast<char>(kind));
  AppendFixed(out, static_cast<std::uint32_t>(payload.size()));
  AppendFixed(out, Checksum(kind, payload));
  out->append(payload);
}

struct Block {
  std::uint8_t kind = 0;
  std::string_view payload;
};

// The block at `offset`, if there is a good one. Adds what it had to check to
// `*cost_bytes`.
bool ReadBlock(std::string_view bytes, std::size_t offset, Block* block,
               std::size_t* cost_bytes) {
  ByteReader in(bytes.substr(offset));
  if (in.Bytes(kBlockMagic.size()) != kBlockMagic) return false;
  block->kind = in.Byte();
  const auto length = in.Fixed<std::uint32_t>();
  const auto checksum = in.Fixed<std::uint64_t>();
  block->payload = in.Bytes(length);
  if (!in.ok()) return false;
  *cost_bytes += block->payload.size();
  return checksum == Checksum(block->kind, block->payload);
}

class FileReader {
 public:
  FileReader(std::string_view bytes, RecordingOptions options,
             FileReport* report)
      : bytes_(bytes),
        most_bytes_(kFreeBytes + kMaxGrowth * bytes.size()),
        recording_(1, Bounded(std::move(options), most_bytes_)),
        report_(report) {}

  Recording Read() {
    std::size_t at = kMagic.size() + 1;
    while (at < bytes_.size()) {
      Block block;
      std::size_t unused = 0;  // each good block is checked once
      if (!ReadBlock(bytes_, at, &block, &unused)) {
        at = Resync(at);
        continue;
      }
      Use(at, block);
      at += kBlockHeaderBytes + block.payload.size();
    }
    return std::move(recording_);
  }

 private:
  static RecordingOptions Bounded(RecordingOptions options,
                                  std::size_t most_bytes) {
    options.budget_bytes = std::min(options.budget_bytes, most_bytes);
    return options;
  }

  void Damage(std::size_t offset, std::size_t length, std::string reason) {
    ++report_->damaged_regions;
    if (report_->damage.size() < FileReport::kMaxDamage) {
      report_->damage.push_back({offset, length, std::move(reason)});
    }
  }

  // The next offset that holds a good block, or the end: also when what looks
  // like blocks, but is none, takes too long to check.
  std::size_t Resync(std::size_t from) {
    std::size_t at = from + 1;
    Block unused;
    while ((at = bytes_.find(kBlockMagic, at)) != std::string_view::npos &&
           !ReadBlock(bytes_, at, &unused, &checked_bytes_)) {
      ++at;
      if (checked_bytes_ > 4 * bytes_.size() + (1u << 20)) {
        at = std::string_view::npos;
        break;
      }
    }
    const bool cut = at == std::string_view::npos;
    if (cut) at = bytes_.size();
    Damage(from, at - from, cut ? "block damaged or cut" : "block damaged");
    return at;
  }

  void Use(std::size_t offset, const Block& block) {
    const std::size_t length = kBlockHeaderBytes + block.payload.size();
    switch (block.kind) {
      case kInfo: {
        ByteReader in(block.payload);
        while (!in.done()) {
          std::string key(in.Text());
          std::string value(in.Text());
          if (in.ok()) report_->info[std::move(key)] = std::move(value);
        }
        if (!in.ok()) Damage(offset, length, "bad info");
        return;
      }
      case kEntries: {
        const Result<std::string> entries = UnpackEntries(
            block.payload, std::min(kFreeBytes, most_bytes_ - unpacked_bytes_));
        if (entries.ok()) unpacked_bytes_ += entries->size();
        LogApplier applier(&recording_);
        const Status status = entries.ok()
                                  ? ReadEntries(*entries, std::ref(applier))
                                  : entries.status();
        if (!status.ok()) {
          Damage(offset, length, status.message());
        } else if (applier.refused() > 0) {
          Damage(offset, length, applier.Refusals());
        }
        return;
      }
      case kEnd:
        report_->complete = offset + length == bytes_.size();
        return;
      default:
        Damage(offset, length,
               StrCat("block of unknown kind ", int{block.kind}));
    }
  }

  std::string_view bytes_;
  const std::size_t most_bytes_;
  std::size_t unpacked_bytes_ = 0;
  std::size_t checked_bytes_ = 0;
  Recording recording_;
  FileReport* report_;
};

constexpr std::size_t kPieceBytes = 256u << 10;

// Blocks on their way to a sink, a piece at a time.
class BlockWriter {
 public:
  using Sink = std::function<Status(std::string_view)>;

  explicit BlockWriter(const Sink& sink) : sink_(sink), out_(kMagic) {
    out_.push_back(static_cast<char>(kVersion));
  }

  Status Append(BlockKind kind, std::string_view payload) {
    if (!out_.empty() &&
        out_.size() + kBlockHeaderBytes + payload.size() > kPieceBytes) {
      FODC_RETURN_IF_ERROR(Flush());
    }
    AppendBlock(&out_, kind, payload);
    return OkStatus();
  }
  Status Flush() {
    FODC_RETURN_IF_ERROR(sink_(out_));
    out_.clear();
    return OkStatus();
  }

 private:
  const Sink& sink_;
  std::string out_;
};

}  // namespace

std::string EncodeRecordingFile(const Snapshot& snapshot, const FileInfo& info,
                                TimeRange range) {
  std::string out;
  EncodeRecordingFile(snapshot, info, range, [&out](std::string_view piece) {
    out += piece;
    return OkStatus();
  }).IgnoreError();  // there is none
  return out;
}

Status EncodeRecordingFile(
    const Snapshot& snapshot, const FileInfo& info, TimeRange range,
    const std::function<Status(std::string_view piece)>& sink) {
  BlockWriter out(sink);
  std::string payload;
  for (const auto& [key, value] : info) {
    AppendText(&payload, key);
    AppendText(&payload, value);
  }
  FODC_RETURN_IF_ERROR(out.Append(kInfo, payload));

  const Snapshot::State::LifeView* last = nullptr;
  std::vector<bool> defined;  // by index in the life's table
  std::map<SourceId, bool> named;
  for (const auto& part : snapshot.state().Parts(range)) {
    const Snapshot::State::LifeView* const life = part.life;
    FODC_CHECK(life != nullptr);  // each part is of one
    if (life != last) {
      last = life;
      defined.assign(life->table->ids.size(), false);
      named.clear();
    }
    std::string entries;
    bool good = true;
    for (std::size_t i = 0; i < part.chunk->sections().size(); ++i) {
      const auto section = part.chunk->Open(i);
      good = section.ok();
      if (!good) break;
      const SourceId source = (*section)->source();
      if (!named[source]) {
        named[source] = true;
        const SourceInfo& s = Snapshot::State::Source(*life, source);
        AppendEntry(&entries, SourceEntry{.incarnation = life->incarnation,
                                          .source = source,
                                          .name = s.name,
                                          .container_name = s.container_name});
      }
      for (const SeriesId id : (*section)->ids()) {
        const std::size_t at = life->table->Find(id);
        if (at == SeriesTable::kNone || defined[at]) continue;
        defined[at] = true;
        AppendEntry(&entries,
                    EntryOf(life->incarnation, id, *life->table->series[at]));
        if (entries.size() < kMaxBatchBytes) continue;
        FODC_RETURN_IF_ERROR(out.Append(kEntries, PackEntries(entries)));
        entries.clear();
      }
    }
    if (!good) continue;  // cannot happen: it was checked when it came
    if (!entries.empty())
      FODC_RETURN_IF_ERROR(out.Append(kEntries, PackEntries(entries)));
    entries.clear();
    AppendEntry(&entries, ChunkEntry{.incarnation = life->incarnation,
                                     .first = part.chunk->first(),
                                     .last = part.chunk->last(),
                                     .bytes = part.chunk->bytes()});
    FODC_RETURN_IF_ERROR(out.Append(kEntries, PackEntries(entries)));
  }
  FODC_RETURN_IF_ERROR(out.Append(kEnd, ""));
  return out.Flush();
}

Status WriteRecordingFile(const std::string& path, const Snapshot& snapshot,
                          const FileInfo& info, TimeRange range) {
  return WriteFileAtomically(path, EncodeRecordingFile(snapshot, info, range));
}

Result<Recording> DecodeRecordingFile(std::string_view bytes,
                                      RecordingOptions options,
                                      FileReport* report) {
  *report = FileReport();
  report->file_bytes = bytes.size();
  if (!bytes.starts_with(kMagic) || bytes.size() <= kMagic.size()) {
    return DataLoss("not a recording (damaged at byte 0)");
  }
  const auto version = static_cast<std::uint8_t>(bytes[kMagic.size()]);
  if (version != kVersion) {
    return Unimplemented(StrCat("recording of unknown version ", int{version},
                                " (byte ", kMagic.size(), ")"));
  }
  return FileReader(bytes, std::move(options), report).Read();
}

Result<Recording> ReadRecordingFile(const std::string& path,
                                    RecordingOptions options,
                                    FileReport* report) {
  FODC_ASSIGN_OR_RETURN(const std::string bytes,
                        ReadFile(path, kMaxRecordingFileBytes));
  return DecodeRecordingFile(bytes, std::move(options), report)
      .WithContext(path);
}

RecordingOptions FileReadingOptions() {
  RecordingOptions options;
  options.budget_bytes = SIZE_MAX / 4;
  options.max_series = SIZE_MAX / 4;
  return options;
}

}  // namespace fodc::recorder
