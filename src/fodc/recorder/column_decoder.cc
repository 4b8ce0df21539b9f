// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/column_codec.h"
#include "fodc/recorder/column_format.h"
#include "fodc/recorder/decimal.h"

namespace fodc::recorder {

namespace cf = column_format;

namespace {

cf::Kind KindOf(std::uint8_t mode) { return static_cast<cf::Kind>(mode & 7); }
cf::Transform TransformOf(std::uint8_t mode) {
  return static_cast<cf::Transform>((mode >> 3) & 7);
}
bool DividedOf(std::uint8_t mode) { return (mode & cf::kDividedBit) != 0; }

bool IsLegal(std::uint8_t mode) {
  if ((mode & ~cf::kKnownBits) != 0 || KindOf(mode) > cf::kSum) return false;
  const cf::Transform t = TransformOf(mode);
  if (t == cf::kConstant) return !DividedOf(mode) && KindOf(mode) != cf::kSum;
  if (t > cf::kDifference || KindOf(mode) < cf::kWhole) return false;
  return !DividedOf(mode) || t <= cf::kDeltaMinusMin;
}

bool ReadExponent(ByteReader* in, int* exponent) {
  const std::uint8_t code = in->Byte();
  *exponent = code + kMinExponent;
  return code <= kMaxExponent - kMinExponent;
}

std::uint8_t WidthCode(const std::uint8_t* widths, std::size_t i) {
  return static_cast<std::uint8_t>((widths[i / 2] >> ((i % 2) * 4)) & 15);
}

// Eight numbers of `width` bits. Reads up to 8 bytes beyond them.
void Unpack(const std::uint8_t* in, unsigned width, std::uint64_t* out) {
  if (width == 64) {
    std::memcpy(out, in, 64);
    return;
  }
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  if (width <= 8) {
    std::uint64_t all = 0;
    std::memcpy(&all, in, 8);
    for (unsigned i = 0; i < 8; ++i) out[i] = (all >> (i * width)) & mask;
    return;
  }
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned bit = i * width;
    std::uint64_t v = 0;
    std::memcpy(&v, in + bit / 8, 8);
    out[i] = (v >> (bit % 8)) & mask;
  }
}

}  // namespace

// Checks one sequence and steps over its groups.
bool ColumnDecoder::SkipSequence(ByteReader* in, unsigned transform,
                                 bool divided, Place* place,
                                 std::size_t* widths, std::size_t* payload) {
  if (divided && in->Varint() < 2) return false;
  if (transform == cf::kDeltaMinusMin) in->Signed();
  if (transform == cf::kReference || transform == cf::kDifference) {
    const std::uint64_t back = in->Bounded(moving_.size());
    if (!in->ok() || back == 0) return false;
    place->reference = moving_[moving_.size() - back];
  }
  if (!in->ok() || transform == cf::kReference) return in->ok();
  for (std::size_t g = 0; g < groups_; ++g) {
    *payload += cf::kWidths[WidthCode(widths_, *widths + g)];
  }
  *widths += groups_;
  return true;
}

Status ColumnDecoder::Init(std::string_view bytes, std::size_t rows,
                           std::size_t columns) {
  const auto damaged = [](std::string_view what) {
    return DataLoss(StrCat("columns: ", what));
  };
  bytes_ = bytes;
  rows_ = rows;
  groups_ = cf::Groups(rows);
  ByteReader in(bytes);
  const std::string_view modes = in.Bytes(columns);
  const std::string_view params = in.Text();
  params_offset_ = in.offset() - params.size();
  const std::uint64_t width_count = in.Varint();
  if (!in.ok() || width_count / 2 > in.left()) return damaged("cut short");
  const std::string_view widths = in.Bytes((width_count + 1) / 2);
  const std::string_view payload = in.Text();
  if (!in.ok() || !in.done()) return damaged("lengths do not fit");
  modes_.assign(modes.begin(), modes.end());
  widths_ = reinterpret_cast<const std::uint8_t*>(widths.data());
  payload_ = reinterpret_cast<const std::uint8_t*>(payload.data());
  places_.assign(columns, Place());
  moving_.clear();

  ByteReader p(params);
  std::size_t width_at = 0;
  std::size_t payload_at = 0;
  std::vector<std::uint8_t> depths(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    const std::uint8_t mode = modes_[c];
    if (!IsLegal(mode)) return damaged("unknown mode");
    const cf::Kind kind = KindOf(mode);
    const cf::Transform transform = TransformOf(mode);
    Place& place = places_[c];
    place.params = static_cast<std::uint32_t>(p.offset());
    place.widths = static_cast<std::uint32_t>(width_at);
    place.payload = static_cast<std::uint32_t>(payload_at);
    int exponent = 0;
    if (kind == cf::kSame) {
      // The first value of the column before, wherever that one has it from.
      place.reference = static_cast<std::uint32_t>(
          c == 0
              ? SIZE_MAX
              : (KindOf(modes_[c - 1]) == cf::kSame ? places_[c - 1].reference
                                                    : c - 1));
      continue;
    }
    if (kind == cf::kZero) continue;
    if (kind == cf::kRaw) {
      p.Fixed<std::uint64_t>();
    } else {
      if (kind != cf::kWhole && !ReadExponent(&p, &exponent)) {
        return damaged("bad exponent");
      }
      p.Signed();
    }
    if (transform == cf::kConstant) continue;
    const std::size_t need = transform == cf::kReference ? 0 : groups_;
    if (width_at + need > width_count) return damaged("too few widths");
    if (!SkipSequence(&p, transform, DividedOf(mode), &place, &width_at,
                      &payload_at)) {
      return damaged("bad sequence");
    }
    if (transform == cf::kReference || transform == cf::kDifference) {
      depths[c] = static_cast<std::uint8_t>(depths[place.reference] + 1);
      if (depths[c] > cf::kMaxDepth) return damaged("too many references");
    }
    if (kind == cf::kSum) {
      p.Signed();
      const std::uint8_t m = p.Byte();
      const cf::Transform t = TransformOf(m);
      if ((m & ~cf::kKnownBits) != 0 || t < cf::kDelta ||
          t > cf::kDeltaMinusMin || width_at + groups_ > width_count ||
          !SkipSequence(&p, t, DividedOf(m), &place, &width_at, &payload_at)) {
        return damaged("bad correction");
      }
    }
    moving_.push_back(static_cast<std::uint32_t>(c));
  }
  if (!p.ok() || !p.done()) return damaged("parameters do not fit");
  if (width_at != width_count || payload_at != payload.size()) {
    return damaged("groups do not fit");
  }
  return OkStatus();
}

std::size_t ColumnDecoder::memory_bytes() const {
  return modes_.capacity() + places_.capacity() * sizeof(Place) +
         moving_.capacity() * sizeof(std::uint32_t);
}

void ColumnDecoder::DecodeSequence(ByteReader* in, unsigned transform,
                                   bool divided, const Place& place,
                                   std::size_t* widths, std::size_t* payload,
                                   Cache* cache, std::int64_t* deltas) const {
  const auto divisor =
      static_cast<std::int64_t>(divided ? in->Varint() : std::uint64_t{1});
  const std::int64_t min =
      transform == cf::kDeltaMinusMin ? in->Signed() : std::int64_t{0};
  const std::size_t n = groups_ * cf::kGroup;
  if (transform == cf::kReference || transform == cf::kDifference) {
    in->Varint();
    if (cache != nullptr && cache->column == place.reference) {
      std::copy(cache->deltas.begin(), cache->deltas.end(), deltas);
    } else {
      DecodeDeltas(place.reference, cache, deltas);
    }
    if (transform == cf::kReference) return;
  }
  std::int64_t last = 0;
  for (std::size_t g = 0; g < groups_; ++g) {
    const unsigned width = cf::kWidths[WidthCode(widths_, *widths + g)];
    std::int64_t* to = deltas + g * cf::kGroup;
    std::uint64_t v[cf::kGroup] = {};
    if (width != 0) Unpack(payload_ + *payload, width, v);
    *payload += width;
    switch (transform) {
      case cf::kDelta:
        for (std::size_t i = 0; i < cf::kGroup; ++i) to[i] = UnZigZag(v[i]);
        break;
      case cf::kDeltaOfDelta:
        for (std::size_t i = 0; i < cf::kGroup; ++i) {
          last = WrapAdd(last, UnZigZag(v[i]));
          to[i] = last;
        }
        break;
      case cf::kDeltaMinusMin:
        for (std::size_t i = 0; i < cf::kGroup; ++i) {
          to[i] = WrapAdd(static_cast<std::int64_t>(v[i]), min);
        }
        break;
      default:  // kDifference
        for (std::size_t i = 0; i < cf::kGroup; ++i) {
          to[i] = WrapAdd(to[i], UnZigZag(v[i]));
        }
        break;
    }
  }
  *widths += groups_;
  if (divisor != 1) {
    for (std::size_t i = 0; i < n; ++i) deltas[i] = WrapMul(deltas[i], divisor);
  }
}

void ColumnDecoder::DecodeDeltas(std::size_t column, Cache* cache,
                                 std::int64_t* deltas) const {
  const Place& place = places_[column];
  const std::uint8_t mode = modes_[column];
  ByteReader p(bytes_.substr(place.params + params_offset_));
  switch (KindOf(mode)) {
    case cf::kRaw:
      p.Fixed<std::uint64_t>();
      break;
    case cf::kWhole:
      p.Varint();
      break;
    default:
      p.Byte();
      p.Varint();
      break;
  }
  std::size_t widths = place.widths;
  std::size_t payload = place.payload;
  DecodeSequence(&p, TransformOf(mode), DividedOf(mode), place, &widths,
                 &payload, cache, deltas);
}

void ColumnDecoder::Decode(std::size_t column, double* out) const {
  Decode(column, out, nullptr);
}

void ColumnDecoder::Decode(std::size_t column, double* out,
                           Cache* cache) const {
  std::uint8_t mode = modes_[column];
  const bool same = KindOf(mode) == cf::kSame;
  if (same) {
    column = places_[column].reference;
    if (column == UINT32_MAX) {
      std::fill_n(out, rows_, 0.0);
      return;
    }
    mode = modes_[column];
  }
  const Place& place = places_[column];
  const cf::Kind kind = KindOf(mode);
  ByteReader p(bytes_.substr(place.params + params_offset_));
  int exponent = 0;
  std::int64_t base = 0;
  if (kind == cf::kRaw) {
    base = static_cast<std::int64_t>(p.Fixed<std::uint64_t>());
  } else if (kind != cf::kZero) {
    if (kind != cf::kWhole) ReadExponent(&p, &exponent);
    base = p.Signed();
  }
  const cf::Transform transform = TransformOf(mode);
  if (transform == cf::kConstant || (same && kind != cf::kSum)) {
    std::fill_n(out, rows_,
                kind == cf::kRaw ? FromBits(static_cast<std::uint64_t>(base))
                                 : FromDecimal(base, exponent));
    return;
  }
  const std::size_t n = groups_ * cf::kGroup;
  std::vector<std::int64_t> own;
  std::vector<std::int64_t>* buffer = &own;
  if (cache != nullptr) {
    cache->deltas.resize(n);
    // Decoding on top of the cached deltas is what kDifference to the column
    // before wants; DecodeSequence copies onto itself then.
    buffer = &cache->deltas;
  } else {
    own.resize(n);
  }
  std::int64_t* deltas = buffer->data();
  std::size_t widths = place.widths;
  std::size_t payload = place.payload;
  Cache* const use =
      cache != nullptr && cache->column == place.reference ? cache : nullptr;
  DecodeSequence(&p, transform, DividedOf(mode), place, &widths, &payload, use,
                 deltas);
  if (cache != nullptr) cache->column = column;

  if (kind == cf::kSum) {
    std::int64_t correction = p.Signed();
    const std::uint8_t m = p.Byte();
    std::vector<std::int64_t> corrections(n);
    DecodeSequence(&p, TransformOf(m), DividedOf(m), place, &widths, &payload,
                   nullptr, corrections.data());
    const auto value = [&] {
      return FromBits(BitsOf(FromDecimal(base, exponent)) +
                      static_cast<std::uint64_t>(correction));
    };
    out[0] = value();
    if (same) {
      std::fill_n(out, rows_, out[0]);
      return;
    }
    for (std::size_t i = 1; i < rows_; ++i) {
      base = WrapAdd(base, deltas[i - 1]);
      correction = WrapAdd(correction, corrections[i - 1]);
      out[i] = value();
    }
    return;
  }
  if (kind == cf::kRaw) {
    out[0] = FromBits(static_cast<std::uint64_t>(base));
    for (std::size_t i = 1; i < rows_; ++i) {
      base = WrapAdd(base, deltas[i - 1]);
      out[i] = FromBits(static_cast<std::uint64_t>(base));
    }
    return;
  }
  out[0] = FromDecimal(base, exponent);
  for (std::size_t i = 1; i < rows_; ++i) {
    base = WrapAdd(base, deltas[i - 1]);
    out[i] = FromDecimal(base, exponent);
  }
}

}  // namespace fodc::recorder
