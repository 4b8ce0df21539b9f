// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/row_codec.h"

#include <algorithm>
#include <bit>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/decimal.h"

namespace fodc::recorder {
namespace {

constexpr std::uint8_t kComplete = 1;
constexpr std::uint8_t kLayout = 2;
constexpr std::uint8_t kAgainstPrevious = 4;
constexpr std::uint8_t kKnownFlags = 7;

// After the byte 0: an exponent, counted from kMinExponent, or raw bits.
constexpr std::uint8_t kRawCode = 63;

constexpr std::size_t kMaxLevels = 8;  // 8^7 slots are more than kMaxSlots

std::size_t Words(std::size_t bits) { return (bits + 63) / 64; }
std::size_t BytesFor(std::size_t bits) { return (bits + 7) / 8; }

// A bitmap as a tree of bytes: each bit of a level says whether its byte of
// the level below is there (is not zero). The top level is one byte.
void AppendBitmap(std::string* out, std::span<const std::uint64_t> words,
                  std::size_t bits) {
  if (bits == 0) return;
  std::vector<std::string> levels;
  levels.emplace_back(reinterpret_cast<const char*>(words.data()),
                      BytesFor(bits));
  while (levels.back().size() > 1) {
    const std::string& low = levels.back();
    std::string high(BytesFor(low.size()), '\0');
    for (std::size_t i = 0; i < low.size(); ++i) {
      if (low[i] != 0) {
        high[i / 8] = static_cast<char>(high[i / 8] | (1 << (i % 8)));
      }
    }
    levels.push_back(std::move(high));
  }
  out->push_back(levels.back()[0]);
  for (std::size_t l = levels.size() - 1; l-- > 0;) {
    for (const char c : levels[l]) {
      if (c != 0) out->push_back(c);
    }
  }
}

bool ReadBitmap(ByteReader* in, std::size_t bits,
                std::vector<std::uint64_t>* words) {
  words->assign(Words(bits), 0);
  if (bits == 0) return true;
  std::size_t sizes[kMaxLevels];
  std::size_t top = 0;
  sizes[0] = BytesFor(bits);
  while (sizes[top] > 1) {
    if (top + 1 == kMaxLevels) return false;
    sizes[top + 1] = BytesFor(sizes[top]);
    ++top;
  }
  // Every level but the lowest together is smaller than the lowest.
  std::vector<std::uint8_t> high(1, in->Byte());
  std::vector<std::uint8_t> low;
  for (std::size_t l = top; l > 0; --l) {
    std::uint8_t* to = nullptr;
    if (l == 1) {
      to = reinterpret_cast<std::uint8_t*>(words->data());
    } else {
      low.assign(sizes[l - 1], 0);
      to = low.data();
    }
    for (std::size_t i = 0; i < high.size(); ++i) {
      for (unsigned m = high[i]; m != 0; m &= m - 1) {
        const std::size_t at =
            i * 8 + static_cast<std::size_t>(std::countr_zero(m));
        if (at >= sizes[l - 1]) return false;
        to[at] = in->Byte();
        if (to[at] == 0) return false;
      }
    }
    high.swap(low);
  }
  if (top == 0) (*words)[0] = high[0];
  const std::size_t odd = bits % 64;
  return in->ok() && (odd == 0 || (words->back() >> odd) == 0);
}

// Bytes that are not zero in the lowest level.
std::size_t BitmapCost(std::span<const std::uint64_t> words) {
  std::size_t cost = 0;
  for (const std::uint64_t w : words) {
    if (w == 0) continue;
    // The highest bit of each byte that is not zero.
    constexpr std::uint64_t kLow7 = 0x7f7f7f7f7f7f7f7f;
    cost += static_cast<std::size_t>(
        std::popcount((((w & kLow7) + kLow7) | w) & ~kLow7));
  }
  return cost;
}

char* EncodeValue(double v, int hint, double* previous, std::int8_t* exponent,
                  char* out) {
  // 0 is no difference but an escape: a value that is the same is written out.
  std::int64_t m = 0;
  std::int64_t d = 0;
  if (*exponent == kRawExponent) {
    if (!ToMantissa(v, 0, &m)) {
      d = WrapSub(static_cast<std::int64_t>(BitsOf(v)),
                  static_cast<std::int64_t>(BitsOf(*previous)));
    }
  } else if (ToMantissa(v, *exponent, &m)) {
    d = m - MantissaOf(*previous, *exponent);
  }
  if (d != 0) {
    *previous = v;
    return WriteVarint(out, ZigZag(d));
  }
  int e = kRawExponent;
  if (hint != kRawExponent && ToMantissa(v, hint, &m)) {
    e = hint;
  } else {
    e = FindExponent(v);
  }
  *previous = v;
  *exponent = static_cast<std::int8_t>(e);
  *out++ = 0;
  if (e == kRawExponent) {
    *out++ = static_cast<char>(kRawCode);
    std::memcpy(out, &v, sizeof v);
    return out + sizeof v;
  }
  *out++ = static_cast<char>(e - kMinExponent);
  ToMantissa(v, e, &m);
  return WriteVarint(out, ZigZag(m));
}

bool DecodeValue(ByteReader* in, double previous, std::int8_t exponent,
                 RowChange* change) {
  const std::uint64_t code = in->Varint();
  if (code != 0) {
    change->exponent = exponent;
    if (exponent == kRawExponent) {
      change->value = FromBits(static_cast<std::uint64_t>(WrapAdd(
          static_cast<std::int64_t>(BitsOf(previous)), UnZigZag(code))));
      return true;
    }
    const std::int64_t m =
        WrapAdd(MantissaOf(previous, exponent), UnZigZag(code));
    change->value = FromDecimal(m, exponent);
    return MantissaFits(m, exponent);
  }
  const std::uint8_t kind = in->Byte();
  if (kind == kRawCode) {
    change->exponent = kRawExponent;
    change->value = FromBits(in->Fixed<std::uint64_t>());
    return in->ok();
  }
  if (kind > kMaxExponent - kMinExponent) return false;
  const int e = kind + kMinExponent;
  const std::int64_t m = in->Signed();
  change->exponent = static_cast<std::int8_t>(e);
  change->value = FromDecimal(m, e);
  return in->ok() && MantissaFits(m, e);
}

bool ReadLayout(ByteReader* in, Row* row, std::uint8_t* flags) {
  row->Clear();
  *flags = in->Byte();
  if ((*flags & ~kKnownFlags) != 0) return false;
  row->complete = (*flags & kComplete) != 0;
  if (row->complete && (*flags & kAgainstPrevious) != 0) return false;
  if (row->complete || (*flags & kLayout) != 0) {
    if (!ReadIdRuns(in, &row->added)) return false;
  }
  return in->ok();
}

Status Damaged(const ByteReader& in, std::size_t size) {
  return DataLoss(StrCat("row damaged at byte ", in.ok() ? in.offset() : size,
                         " of ", size));
}

}  // namespace

void SlotState::Clear() {
  ids.clear();
  values.clear();
  exponents.clear();
  present.clear();
  changed.clear();
  active = 0;
}

std::size_t SlotState::bytes() const {
  return ids.capacity() * sizeof(SeriesId) +
         values.capacity() * sizeof(double) + exponents.capacity() +
         present.capacity() + changed.capacity() * sizeof(std::uint64_t);
}

void Row::Clear() {
  complete = false;
  added.clear();
  returned.clear();
  gone.clear();
  changes.clear();
}

void AppendIdRuns(std::string* out, std::span<const SeriesId> ids) {
  AppendVarint(out, ids.size());
  std::int64_t next = 0;
  for (std::size_t i = 0; i < ids.size();) {
    std::size_t n = 1;
    while (i + n < ids.size() && ids[i + n] == ids[i] + n) ++n;
    AppendSigned(out, ids[i] - next);
    AppendVarint(out, n);
    next = ids[i] + static_cast<std::int64_t>(n);
    i += n;
  }
}

bool ReadIdRuns(ByteReader* in, std::vector<SeriesId>* ids) {
  constexpr std::int64_t kIds = std::int64_t{UINT32_MAX} + 1;
  const std::size_t count = in->Bounded(kMaxSlots);
  std::int64_t next = 0;
  while (in->ok() && ids->size() < count) {
    const std::int64_t first = WrapAdd(next, in->Signed());
    const std::size_t n = in->Bounded(count - ids->size());
    // `first` may be anything: nothing is added to it before it is bounded.
    if (n == 0 || first < 0 || first > kIds - static_cast<std::int64_t>(n)) {
      in->Fail();
      break;
    }
    for (std::size_t i = 0; i < n; ++i) {
      ids->push_back(
          static_cast<SeriesId>(first + static_cast<std::int64_t>(i)));
    }
    next = first + static_cast<std::int64_t>(n);
  }
  return in->ok();
}

void AppendAscending(std::string* out, std::span<const Slot> slots) {
  AppendVarint(out, slots.size());
  Slot next = 0;
  for (const Slot s : slots) {
    AppendVarint(out, s - next);
    next = s + 1;
  }
}

bool ReadAscending(ByteReader* in, std::size_t limit,
                   std::vector<Slot>* slots) {
  const std::size_t count = in->Bounded(limit);
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < count && in->ok(); ++i) {
    next += in->Bounded(limit);
    if (next >= limit) in->Fail();
    slots->push_back(static_cast<Slot>(next++));
  }
  return in->ok();
}

void EncodeRow(const Row& row, SlotState* state, std::string* out) {
  const std::size_t flags_at = out->size();
  std::uint8_t flags = 0;
  out->push_back('\0');
  if (row.complete) {
    flags = kComplete;
    AppendIdRuns(out, row.added);
    state->Clear();
    if (!row.gone.empty()) {
      flags |= kLayout;
      AppendAscending(out, {});
      AppendAscending(out, row.gone);
    }
  } else if (!row.added.empty() || !row.returned.empty() || !row.gone.empty()) {
    flags = kLayout;
    AppendIdRuns(out, row.added);
    AppendAscending(out, row.returned);
    AppendAscending(out, row.gone);
  }
  const std::size_t n = state->size() + row.added.size();
  const std::size_t old_words = state->changed.size();
  std::vector<std::uint64_t> bitmap(Words(n));
  for (const RowChange& c : row.changes) {
    bitmap[c.slot / 64] |= std::uint64_t{1} << (c.slot % 64);
  }
  std::vector<std::uint64_t> against = bitmap;
  for (std::size_t i = 0; i < old_words; ++i) against[i] ^= state->changed[i];
  if (!row.complete && BitmapCost(against) < BitmapCost(bitmap)) {
    flags |= kAgainstPrevious;
    AppendBitmap(out, against, n);
  } else {
    AppendBitmap(out, bitmap, n);
  }
  (*out)[flags_at] = static_cast<char>(flags);

  Row layout;  // the values are put in below
  layout.added = row.added;
  layout.returned = row.returned;
  layout.gone = row.gone;
  ApplyRow(layout, state);
  state->changed = std::move(bitmap);

  std::size_t at = out->size();
  constexpr std::size_t kMaxValueBytes = 2 + kMaxVarintBytes;
  out->resize(at + row.changes.size() * kMaxValueBytes);
  char* const begin = out->data();
  char* to = begin + at;
  for (const RowChange& c : row.changes) {
    to = EncodeValue(c.value, c.exponent, &state->values[c.slot],
                     &state->exponents[c.slot], to);
  }
  at = static_cast<std::size_t>(to - begin);
  out->resize(at);
}

Status DecodeRow(std::string_view bytes, const SlotState& state, Row* row) {
  ByteReader in(bytes);
  std::uint8_t flags = 0;
  if (!ReadLayout(&in, row, &flags)) return Damaged(in, bytes.size());
  const std::size_t old_size = row->complete ? 0 : state.size();
  const std::size_t n = old_size + row->added.size();
  if (n > kMaxSlots) return Damaged(in, bytes.size());
  if ((flags & kLayout) != 0) {
    if (!ReadAscending(&in, old_size, &row->returned) ||
        !ReadAscending(&in, n, &row->gone)) {
      return Damaged(in, bytes.size());
    }
    for (const Slot s : row->returned) {
      if (state.present[s] != 0) return Damaged(in, bytes.size());
    }
    for (const Slot s : row->gone) {
      if (s < old_size && state.present[s] == 0) {
        return Damaged(in, bytes.size());
      }
    }
  }
  std::vector<std::uint64_t> bitmap;
  if (!ReadBitmap(&in, n, &bitmap)) return Damaged(in, bytes.size());
  if ((flags & kAgainstPrevious) != 0) {
    for (std::size_t i = 0; i < state.changed.size(); ++i) {
      bitmap[i] ^= state.changed[i];
    }
  }
  for (std::size_t w = 0; w < bitmap.size(); ++w) {
    for (std::uint64_t m = bitmap[w]; m != 0; m &= m - 1) {
      const std::size_t slot =
          w * 64 + static_cast<std::size_t>(std::countr_zero(m));
      RowChange& c = row->changes.emplace_back();
      c.slot = static_cast<Slot>(slot);
      const bool old = slot < old_size;
      if (!DecodeValue(&in, old ? state.values[slot] : 0.0,
                       old ? state.exponents[slot] : std::int8_t{0}, &c)) {
        return Damaged(in, bytes.size());
      }
    }
  }
  if (!in.ok() || in.left() != 0) return Damaged(in, bytes.size());
  return OkStatus();
}

Status DecodeRowSeries(std::string_view bytes, Row* row) {
  ByteReader in(bytes);
  std::uint8_t flags = 0;
  if (!ReadLayout(&in, row, &flags)) return Damaged(in, bytes.size());
  return OkStatus();
}

void ApplyRow(const Row& row, SlotState* state) {
  if (row.complete) state->Clear();
  const std::size_t n = state->size() + row.added.size();
  if (!row.added.empty()) {
    state->ids.insert(state->ids.end(), row.added.begin(), row.added.end());
    state->values.resize(n, 0.0);
    state->exponents.resize(n, 0);
    state->present.resize(n, 1);
    state->active += row.added.size();
  }
  for (const Slot s : row.returned) state->present[s] = 1;
  for (const Slot s : row.gone) state->present[s] = 0;
  state->active += row.returned.size();
  state->active -= row.gone.size();
  state->changed.assign(Words(n), 0);
  for (const RowChange& c : row.changes) {
    state->values[c.slot] = c.value;
    state->exponents[c.slot] = c.exponent;
    state->changed[c.slot / 64] |= std::uint64_t{1} << (c.slot % 64);
  }
}

}  // namespace fodc::recorder
