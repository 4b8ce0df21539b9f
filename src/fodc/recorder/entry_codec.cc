// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/entry_codec.h"

#include <zstd.h>

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"

namespace fodc::recorder {
namespace {

constexpr char kSource = 1;
constexpr char kSeries = 2;
constexpr char kRow = 3;
constexpr char kChunk = 4;

constexpr char kPlain = 0;
constexpr char kCompressed = 1;

constexpr std::size_t kFrameBytes = std::size_t{64} << 10;

void Append(std::string* out, const SourceEntry& e) {
  out->push_back(kSource);
  AppendFixed(out, e.incarnation);
  AppendVarint(out, e.source);
  AppendText(out, e.name);
  AppendText(out, e.container_name);
}

void Append(std::string* out, const SeriesEntry& e) {
  out->push_back(kSeries);
  AppendFixed(out, e.incarnation);
  AppendVarint(out, e.id);
  AppendText(out, e.name);
  AppendText(out, e.labels);
  AppendText(out, e.family);
  out->push_back(static_cast<char>(e.type));
  AppendText(out, e.help);
  AppendText(out, e.unit);
}

void Append(std::string* out, const RowEntry& e) {
  out->push_back(kRow);
  AppendFixed(out, e.name.incarnation);
  AppendVarint(out, e.name.sequence);
  AppendVarint(out, e.source);
  AppendVarint(out, e.name.sequence - e.stretch);
  AppendSigned(out, e.time.monotonic_ms);
  AppendSigned(out, WrapSub(e.time.unix_ms, e.time.monotonic_ms));
  AppendText(out, e.payload);
}

void Append(std::string* out, const ChunkEntry& e) {
  out->push_back(kChunk);
  AppendFixed(out, e.incarnation);
  AppendVarint(out, e.first);
  AppendVarint(out, e.last - e.first);
  AppendText(out, e.bytes);
}

LogEntry ReadEntry(ByteReader* in) {
  const std::uint8_t kind = in->Byte();
  const Incarnation incarnation = in->Fixed<std::uint64_t>();
  switch (kind) {
    case kSource: {
      SourceEntry e;
      e.incarnation = incarnation;
      e.source = static_cast<SourceId>(in->Bounded(UINT16_MAX));
      e.name = in->Text();
      e.container_name = in->Text();
      return e;
    }
    case kSeries: {
      SeriesEntry e;
      e.incarnation = incarnation;
      e.id = static_cast<SeriesId>(in->Bounded(UINT32_MAX));
      e.name = in->Text();
      e.labels = in->Text();
      e.family = in->Text();
      e.type = static_cast<exposition::MetricType>(in->Byte());
      e.help = in->Text();
      e.unit = in->Text();
      return e;
    }
    case kRow: {
      RowEntry e;
      e.name = {incarnation, in->Varint()};
      e.source = static_cast<SourceId>(in->Bounded(UINT16_MAX));
      e.stretch = e.name.sequence - in->Bounded(e.name.sequence);
      e.time.monotonic_ms = in->Signed();
      e.time.unix_ms = WrapAdd(e.time.monotonic_ms, in->Signed());
      e.payload = in->Text();
      return e;
    }
    case kChunk: {
      ChunkEntry e;
      e.incarnation = incarnation;
      e.first = in->Varint();
      e.last = e.first + in->Bounded(UINT32_MAX);
      e.bytes = in->Text();
      return e;
    }
    default:
      in->Fail();
      return SourceEntry();
  }
}

using Context = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
Context NewContext() { return {ZSTD_createCCtx(), &ZSTD_freeCCtx}; }

// A small frame after the other, at the lowest level, for the agent's memory:
// one stream at level 3 takes 2 MiB for the series of 5,000 lines, this 0.3.
// That costs 1 % in bytes.
void AppendFrames(std::string* out, ZSTD_CCtx* context,
                  std::string_view entries) {
  while (!entries.empty()) {
    const std::string_view plain = entries.substr(0, kFrameBytes);
    entries.remove_prefix(plain.size());
    const std::size_t used = out->size();
    out->resize(used + ZSTD_compressBound(plain.size()));
    const std::size_t n =
        ZSTD_compressCCtx(context, out->data() + used, out->size() - used,
                          plain.data(), plain.size(), /*compressionLevel=*/1);
    FODC_CHECK(ZSTD_isError(n) == 0);
    out->resize(used + n);
  }
}

// What all the frames hold; nothing if they do not say so, or claim more than
// can be in them.
std::optional<std::uint64_t> PlainBytes(std::string_view frames) {
  constexpr std::uint64_t kLargestBlock = 128u << 10;
  constexpr std::uint64_t kSmallestBlock = 3;  // as it is stored
  std::uint64_t plain = 0;
  while (!frames.empty()) {
    const unsigned long long of_frame =
        ZSTD_getFrameContentSize(frames.data(), frames.size());
    const std::size_t length =
        ZSTD_findFrameCompressedSize(frames.data(), frames.size());
    if (of_frame == ZSTD_CONTENTSIZE_UNKNOWN ||
        of_frame == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(length) != 0 ||
        of_frame > length / kSmallestBlock * kLargestBlock) {
      return std::nullopt;
    }
    plain += of_frame;
    frames.remove_prefix(length);
  }
  return plain;
}

}  // namespace

void AppendEntry(std::string* out, const LogEntry& entry) {
  std::visit([out](const auto& e) { Append(out, e); }, entry);
}

Status ReadEntries(std::string_view bytes,
                   const std::function<Status(const LogEntry&)>& sink) {
  ByteReader in(bytes);
  while (!in.done()) {
    const std::size_t at = in.offset();
    const LogEntry entry = ReadEntry(&in);
    if (!in.ok()) return DataLoss(StrCat("entry damaged at byte ", at));
    FODC_RETURN_IF_ERROR(sink(entry));
  }
  return OkStatus();
}

std::string PackEntries(std::string_view entries) {
  const Context context = NewContext();
  std::string packed(1, kCompressed);
  AppendFrames(&packed, context.get(), entries);
  if (packed.size() > entries.size()) {
    packed.assign(1, kPlain).append(entries);
  }
  return packed;
}

EntryPacker::EntryPacker() : context_(NewContext()) {}

void EntryPacker::Add(const LogEntry& entry) {
  const std::size_t before = plain_.size();
  AppendEntry(&plain_, entry);
  bytes_ += plain_.size() - before;
  const std::size_t whole = plain_.size() / kFrameBytes * kFrameBytes;
  if (whole == 0) return;
  if (packed_.empty()) packed_.push_back(kCompressed);
  AppendFrames(&packed_, context_.get(),
               std::string_view(plain_).substr(0, whole));
  plain_.erase(0, whole);
}

std::string EntryPacker::Take() {
  bytes_ = 0;
  const std::string rest = std::exchange(plain_, {});
  if (packed_.empty()) return rest.empty() ? rest : PackEntries(rest);
  AppendFrames(&packed_, context_.get(), rest);
  return std::exchange(packed_, {});
}

Result<std::string> UnpackEntries(std::string_view packed,
                                  std::size_t max_bytes) {
  if (packed.empty()) return DataLoss("batch of entries is empty");
  const std::string_view body = packed.substr(1);
  const auto too_large = [max_bytes] {
    return ResourceExhausted(
        StrCat("batch of entries is larger than ", max_bytes, " bytes"));
  };
  if (packed[0] == kPlain) {
    if (body.size() > max_bytes) return too_large();
    return std::string(body);
  }
  if (packed[0] != kCompressed) return DataLoss("unknown kind of batch");
  const std::optional<std::uint64_t> size = PlainBytes(body);
  if (!size) return DataLoss("batch of entries is cut, or belies its size");
  if (*size > max_bytes) return too_large();
  std::string plain(*size, '\0');
  const std::size_t n =
      ZSTD_decompress(plain.data(), plain.size(), body.data(), body.size());
  if (ZSTD_isError(n) != 0 || n != *size) {
    return DataLoss("batch of entries cannot be decompressed");
  }
  return plain;
}

}  // namespace fodc::recorder
