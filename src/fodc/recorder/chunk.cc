// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/chunk.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/chunk_format.h"

namespace fodc::recorder {
namespace {

Status Damaged(std::string_view what, std::size_t offset) {
  return DataLoss(StrCat("chunk damaged at byte ", offset, ": ", what));
}

struct FreeContext {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

// One per thread: making one costs more than a small section.
ZSTD_DCtx* Decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(
      ZSTD_createDCtx());
  return context.get();
}

}  // namespace

Result<std::shared_ptr<const Chunk>> Chunk::Parse(std::string bytes) {
  if (bytes.size() > kMaxChunkBytes) {
    return DataLoss(StrCat("chunk of ", bytes.size(), " bytes is too large"));
  }
  ByteReader in(bytes);
  if (in.Bytes(kChunkMagic.size()) != kChunkMagic) {
    return Damaged("no chunk", 0);
  }
  const std::uint8_t version = in.Byte();
  if (!in.ok() || bytes.size() < kChunkMagic.size() + 1 + 8) {
    return Damaged("cut short", bytes.size());
  }
  if (version != kChunkVersion) {
    return Unimplemented(StrCat("chunk of unknown version ", int{version}));
  }
  const std::size_t body = bytes.size() - sizeof(std::uint64_t);
  ByteReader tail(std::string_view(bytes).substr(body));
  if (tail.Fixed<std::uint64_t>() != XXH3_64bits(bytes.data(), body)) {
    return Damaged("checksum does not fit", body);
  }

  std::shared_ptr<Chunk> chunk(new Chunk);
  Chunk& c = *chunk;
  c.incarnation_ = in.Fixed<std::uint64_t>();
  c.first_ = in.Varint();
  const std::uint64_t frames =
      in.Bounded(std::uint64_t{kMaxStretchRows} * kMaxSections);
  c.last_ = c.first_ + frames - 1;
  c.from_monotonic_ms_ = in.Signed();
  c.to_monotonic_ms_ =
      WrapAdd(c.from_monotonic_ms_, static_cast<std::int64_t>(in.Varint()));
  c.min_unix_ms_ = in.Signed();
  c.max_unix_ms_ =
      WrapAdd(c.min_unix_ms_, static_cast<std::int64_t>(in.Varint()));
  const std::size_t sections = in.Bounded(kMaxSections);
  if (!in.ok() || c.incarnation_ == 0 || c.first_ == 0 || frames == 0 ||
      c.last_ < c.first_ || c.last_ > kMaxSequence || sections == 0 ||
      sections > frames || c.to_monotonic_ms_ < c.from_monotonic_ms_ ||
      c.max_unix_ms_ < c.min_unix_ms_) {
    return Damaged("bad header", in.offset());
  }
  std::uint64_t rows = 0;
  std::uint64_t slots = 0;
  std::uint64_t cells = 0;
  std::uint64_t plain_bytes = 0;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < sections; ++i) {
    SectionInfo s;
    s.source = static_cast<SourceId>(in.Bounded(UINT16_MAX));
    s.rows = static_cast<std::uint32_t>(in.Bounded(kMaxStretchRows));
    s.slots = static_cast<std::uint32_t>(in.Bounded(kMaxSlots));
    s.samples = in.Bounded(kMaxStretchCells);
    s.plain_bytes = static_cast<std::uint32_t>(in.Bounded(kMaxPlainBytes));
    s.stored_bytes = static_cast<std::uint32_t>(in.Bounded(body));
    s.offset = static_cast<std::uint32_t>(offset);
    offset += s.stored_bytes;
    rows += s.rows;
    slots += s.slots;
    cells += std::uint64_t{s.rows} * s.slots;
    plain_bytes += s.plain_bytes;
    c.samples_ += s.samples;
    // Every column has a byte of its own.
    if (!in.ok() || s.rows == 0 || s.slots > s.plain_bytes ||
        slots > kMaxSlots || cells > kMaxStretchCells ||
        plain_bytes > kMaxPlainBytes ||
        s.samples > std::uint64_t{s.rows} * s.slots ||
        s.stored_bytes > s.plain_bytes ||
        (i > 0 && s.source <= c.sections_.back().source)) {
      return Damaged("bad section", in.offset());
    }
    if (c.sections_.empty())
      c.sections_.reserve(std::min<std::size_t>(sections, 64));
    c.sections_.push_back(s);
  }
  c.reading_bytes_ = plain_bytes + slots * kReadingBytesPerSlot;
  const std::size_t begin = in.offset();
  if (rows != frames || begin + offset != body) {
    return Damaged("sections do not fit", begin);
  }
  if (plain_bytes > kFreePlainBytes + kMaxPlainPerStored * offset) {
    return Damaged("compressed beyond measure", begin);
  }
  for (SectionInfo& s : c.sections_) {
    s.offset += static_cast<std::uint32_t>(begin);
  }
  c.sections_.shrink_to_fit();
  bytes.shrink_to_fit();
  c.bytes_ = std::move(bytes);
  return std::shared_ptr<const Chunk>(std::move(chunk));
}

std::size_t Chunk::memory_bytes() const {
  // The object with its reference counts, and the allocator's part.
  constexpr std::size_t kOverhead = 48;
  return sizeof *this + kOverhead + bytes_.capacity() +
         sections_.capacity() * sizeof(SectionInfo);
}

Result<std::unique_ptr<const Section>> Chunk::Open(std::size_t index) const {
  const SectionInfo& info = sections_[index];
  const char* stored = bytes_.data() + info.offset;
  const auto damaged = [&](std::string_view what) {
    return Damaged(what, info.offset);
  };
  std::unique_ptr<Section> section(new Section);
  Section& s = *section;
  s.source_ = info.source;
  if (info.stored_bytes == info.plain_bytes) {
    s.plain_.resize(info.plain_bytes + ColumnDecoder::kSlackBytes);
    std::copy_n(stored, info.plain_bytes, s.plain_.begin());
  } else {
    // Ask before allocating: what is compressed says how long it is.
    if (ZSTD_getFrameContentSize(stored, info.stored_bytes) !=
        info.plain_bytes) {
      return damaged("compressed length does not fit");
    }
    s.plain_.resize(info.plain_bytes + ColumnDecoder::kSlackBytes);
    const std::size_t n =
        ZSTD_decompressDCtx(Decompressor(), s.plain_.data(), info.plain_bytes,
                            stored, info.stored_bytes);
    if (ZSTD_isError(n) != 0 || n != info.plain_bytes) {
      return damaged("cannot be decompressed");
    }
  }
  const std::string_view plain(s.plain_.data(), info.plain_bytes);
  ByteReader in(plain);
  FODC_RETURN_IF_ERROR(s.ReadTimes(&in, info.rows, *this));
  if (!ReadIdRuns(&in, &s.ids_) || s.ids_.size() != info.slots) {
    return damaged("bad list of series");
  }
  FODC_RETURN_IF_ERROR(s.ReadPresence(&in));
  if (s.samples_ != info.samples) return damaged("samples do not fit");
  FODC_RETURN_IF_ERROR(
      s.columns_.Init(plain.substr(in.offset()), info.rows, info.slots));
  return std::unique_ptr<const Section>(std::move(section));
}

Status Section::ReadTimes(ByteReader* in, std::size_t rows,
                          const Chunk& chunk) {
  sequences_.resize(rows);
  times_.resize(rows);
  Sequence next = chunk.first();
  for (Sequence& s : sequences_) {
    s = next + in->Bounded(chunk.frames());
    if (s > chunk.last()) return DataLoss("chunk: sequence out of range");
    next = s + 1;
  }
  std::int64_t last = chunk.from_monotonic_ms();
  std::int64_t step = 0;
  for (FrameTime& t : times_) {
    step = WrapAdd(step, in->Signed());
    if (step < 0) return DataLoss("chunk: time runs backward");
    last = WrapAdd(last, step);
    t.monotonic_ms = last;
    if (last < chunk.from_monotonic_ms() || last > chunk.to_monotonic_ms()) {
      return DataLoss("chunk: time out of range");
    }
  }
  std::int64_t offset = WrapSub(chunk.min_unix_ms(), chunk.from_monotonic_ms());
  for (FrameTime& t : times_) {
    offset = WrapAdd(offset, in->Signed());
    t.unix_ms = WrapAdd(t.monotonic_ms, offset);
    if (t.unix_ms < chunk.min_unix_ms() || t.unix_ms > chunk.max_unix_ms()) {
      return DataLoss("chunk: wall clock out of range");
    }
  }
  return in->ok() ? OkStatus() : DataLoss("chunk: times cut short");
}

Status Section::ReadPresence(ByteReader* in) {
  const std::size_t n = ids_.size();
  const auto rows = static_cast<std::uint32_t>(times_.size());
  std::size_t known = in->Bounded(n);
  const std::size_t layouts = in->Bounded(rows);
  constexpr std::uint32_t kAway = UINT32_MAX;
  // Only slots that come or go are looked at one by one.
  std::vector<std::uint32_t> since;  // row from which the slot is there
  if (layouts > 0) since.assign(known, 0);
  std::uint32_t row = 0;
  std::vector<Slot> list;
  std::vector<std::uint8_t> partial(layouts > 0 ? n : 0);
  for (std::size_t l = 0; l < layouts; ++l) {
    row += static_cast<std::uint32_t>(in->Bounded(rows));
    const std::size_t added = in->Bounded(n - known);
    if (!in->ok() || row >= rows) return DataLoss("chunk: bad presence");
    for (std::size_t i = 0; i < added; ++i) {
      since.push_back(row);
      partial[known + i] = 1;
    }
    list.clear();
    if (!ReadAscending(in, known, &list)) {
      return DataLoss("chunk: bad presence");
    }
    for (const Slot s : list) {
      if (since[s] != kAway) return DataLoss("chunk: bad presence");
      since[s] = row;
    }
    known += added;
    list.clear();
    if (!ReadAscending(in, known, &list)) {
      return DataLoss("chunk: bad presence");
    }
    for (const Slot s : list) {
      if (since[s] == kAway) return DataLoss("chunk: bad presence");
      if (row > since[s]) ranges_.push_back({s, since[s], row});
      since[s] = kAway;
      partial[s] = 1;
    }
  }
  if (!in->ok() || known != n) return DataLoss("chunk: bad presence");
  samples_ = std::uint64_t{rows} * n;
  for (std::size_t s = 0; s < partial.size(); ++s) {
    if (partial[s] == 0) continue;
    samples_ -= rows;
    if (since[s] != kAway) {
      ranges_.push_back({static_cast<Slot>(s), since[s], rows});
    }
  }
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
    return a.slot != b.slot ? a.slot < b.slot : a.from < b.from;
  });
  for (const Range& r : ranges_) samples_ += r.to - r.from;
  // A slot that was never there has an empty range, so that it is not taken
  // for one that always was.
  std::size_t at = 0;
  std::vector<Range> empty;
  for (std::size_t s = 0; s < partial.size(); ++s) {
    if (partial[s] == 0) continue;
    while (at < ranges_.size() && ranges_[at].slot < s) ++at;
    if (at == ranges_.size() || ranges_[at].slot != s) {
      empty.push_back({static_cast<Slot>(s), 0, 0});
    }
  }
  if (!empty.empty()) {
    ranges_.insert(ranges_.end(), empty.begin(), empty.end());
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) {
                return a.slot != b.slot ? a.slot < b.slot : a.from < b.from;
              });
  }
  return OkStatus();
}

std::span<const Section::Range> Section::Presence(Slot slot,
                                                  Range* whole) const {
  const auto first =
      std::lower_bound(ranges_.begin(), ranges_.end(), slot,
                       [](const Range& r, Slot s) { return r.slot < s; });
  if (first == ranges_.end() || first->slot != slot) {
    *whole = {slot, 0, static_cast<std::uint32_t>(times_.size())};
    return {whole, 1};
  }
  auto last = first;
  while (last != ranges_.end() && last->slot == slot) ++last;
  return {first, last};
}

std::size_t Section::active() const {
  std::size_t n = slots();
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const bool last =
        i + 1 == ranges_.size() || ranges_[i + 1].slot != ranges_[i].slot;
    if (last && ranges_[i].to != rows()) --n;
  }
  return n;
}

std::size_t Section::memory_bytes() const {
  return sizeof *this + plain_.capacity() +
         sequences_.capacity() * sizeof(Sequence) +
         times_.capacity() * sizeof(FrameTime) +
         ids_.capacity() * sizeof(SeriesId) +
         ranges_.capacity() * sizeof(Range) + columns_.memory_bytes();
}

}  // namespace fodc::recorder
