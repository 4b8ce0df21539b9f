// SPDX-License-Identifier: Apache-2.0
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "fodc/recorder/bytes.h"
#include "fodc/recorder/column_codec.h"
#include "fodc/recorder/column_format.h"
#include "fodc/recorder/decimal.h"
#include "fodc/recorder/row_codec.h"

namespace fodc::recorder {

namespace cf = column_format;

namespace {

// Bytes of recent columns kept to refer to.
constexpr std::size_t kRecentBytes = 256u << 10;
constexpr std::size_t kMaxRecent = 256;

std::size_t GroupBits(const std::uint64_t* v) {
  const std::uint64_t all =
      v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7];
  return cf::kWidths[cf::kWidthCodes[static_cast<std::size_t>(
      std::bit_width(all))]];
}

// One way to write a sequence: numbers without sign, padded with zeros.
struct Candidate {
  cf::Transform transform = cf::kDelta;
  std::vector<std::uint64_t> numbers;
  std::size_t cost = SIZE_MAX;  // bytes, about

  void Cost(std::size_t extra) {
    cost = extra;
    for (std::size_t i = 0; i < numbers.size(); i += cf::kGroup) {
      cost += GroupBits(&numbers[i]);
    }
  }
};

}  // namespace

struct ColumnEncoder::Impl {
  explicit Impl(std::size_t r)
      : rows(r),
        groups(cf::Groups(r)),
        max_recent(std::clamp<std::size_t>(
            kRecentBytes / (r * sizeof(std::int64_t)), 1, kMaxRecent)),
        deltas(groups * cf::kGroup),
        corrections(groups * cf::kGroup),
        recent(max_recent) {}

  struct Recent {
    std::vector<std::int64_t> deltas;
    std::uint64_t hash = 0;
    std::uint8_t depth = 0;
  };

  const std::size_t rows;
  const std::size_t groups;
  const std::size_t max_recent;
  std::string modes;
  std::string params;
  std::vector<std::uint8_t> widths;  // codes
  std::string payload;

  double previous_first = 0;
  std::size_t moving = 0;            // columns so far that are not constant
  std::vector<std::int64_t> deltas;  // of the column at hand, padded
  std::vector<std::int64_t> corrections;
  std::vector<Recent> recent;  // ring, by number of moving column
  std::unordered_map<std::uint64_t, std::size_t> by_hash;  // moving column
  Candidate plain, second, low, difference;
  std::vector<std::int64_t> mantissas;

  void AddConstant(double v);
  void PutGroups(const std::vector<std::uint64_t>& numbers);
  // Appends parameters and groups; the best of all transforms.
  cf::Transform PutSequence(std::vector<std::int64_t>* d, bool may_refer,
                            bool* divided, std::uint8_t* depth);
  const Candidate& Best(const std::vector<std::int64_t>& d, bool may_refer,
                        std::int64_t* min);
  std::size_t CostOf(const std::vector<std::int64_t>& d);
  void Remember(std::uint64_t hash, std::uint8_t depth);
  bool FillDeltas(double first, std::span<const ColumnChange> changes,
                  int exponent, std::int64_t* base);
  bool FillSums(double first, std::span<const ColumnChange> changes,
                int exponent, std::int64_t* base, std::int64_t* correction);
  void FillRaw(double first, std::span<const ColumnChange> changes);
};

ColumnEncoder::ColumnEncoder(std::size_t rows)
    : impl_(std::make_unique<Impl>(rows)) {}
ColumnEncoder::~ColumnEncoder() = default;

void ColumnEncoder::Impl::AddConstant(double v) {
  std::int64_t m = 0;
  const std::uint64_t bits = BitsOf(v);
  if (bits == 0) {
    modes.push_back(
        static_cast<char>(cf::Mode(cf::kZero, cf::kConstant, false)));
  } else if (bits == BitsOf(previous_first)) {
    modes.push_back(
        static_cast<char>(cf::Mode(cf::kSame, cf::kConstant, false)));
  } else if (ToMantissa(v, 0, &m)) {
    modes.push_back(
        static_cast<char>(cf::Mode(cf::kWhole, cf::kConstant, false)));
    AppendSigned(&params, m);
  } else if (const int e = FindExponent(v); e != kRawExponent) {
    modes.push_back(
        static_cast<char>(cf::Mode(cf::kDecimal, cf::kConstant, false)));
    params.push_back(static_cast<char>(e - kMinExponent));
    ToMantissa(v, e, &m);
    AppendSigned(&params, m);
  } else {
    modes.push_back(
        static_cast<char>(cf::Mode(cf::kRaw, cf::kConstant, false)));
    AppendFixed(&params, bits);
  }
  previous_first = v;
}

// Deltas between the decimals; false if a value is none with this exponent.
bool ColumnEncoder::Impl::FillDeltas(double first,
                                     std::span<const ColumnChange> changes,
                                     int exponent, std::int64_t* base) {
  if (!ToMantissa(first, exponent, base)) return false;
  std::fill(deltas.begin(), deltas.end(), 0);
  std::int64_t last = *base;
  for (const ColumnChange& c : changes) {
    std::int64_t m = 0;
    if (!ToMantissa(c.value, exponent, &m)) return false;
    deltas[c.row - 1] = m - last;
    last = m;
  }
  return true;
}

// The nearest decimals, and how many representable numbers away the values are.
bool ColumnEncoder::Impl::FillSums(double first,
                                   std::span<const ColumnChange> changes,
                                   int exponent, std::int64_t* base,
                                   std::int64_t* correction) {
  const auto split = [&](double v, std::int64_t* m, std::int64_t* k) {
    const double scaled = v * kPowersOfTen[exponent];
    if (!(std::fabs(scaled) < static_cast<double>(kWholeLimit))) return false;
    *m = std::llrint(scaled);
    *k = WrapSub(static_cast<std::int64_t>(BitsOf(v)),
                 static_cast<std::int64_t>(BitsOf(FromDecimal(*m, exponent))));
    return *k > -4096 && *k < 4096;
  };
  if (!split(first, base, correction)) return false;
  std::fill(deltas.begin(), deltas.end(), 0);
  std::fill(corrections.begin(), corrections.end(), 0);
  std::int64_t last_m = *base;
  std::int64_t last_k = *correction;
  for (const ColumnChange& c : changes) {
    std::int64_t m = 0;
    std::int64_t k = 0;
    if (!split(c.value, &m, &k)) return false;
    deltas[c.row - 1] = m - last_m;
    corrections[c.row - 1] = k - last_k;
    last_m = m;
    last_k = k;
  }
  return true;
}

void ColumnEncoder::Impl::FillRaw(double first,
                                  std::span<const ColumnChange> changes) {
  std::fill(deltas.begin(), deltas.end(), 0);
  auto last = static_cast<std::int64_t>(BitsOf(first));
  for (const ColumnChange& c : changes) {
    const auto bits = static_cast<std::int64_t>(BitsOf(c.value));
    deltas[c.row - 1] = WrapSub(bits, last);
    last = bits;
  }
}

const Candidate& ColumnEncoder::Impl::Best(const std::vector<std::int64_t>& d,
                                           bool may_refer, std::int64_t* min) {
  const std::size_t n = rows - 1;
  plain.transform = cf::kDelta;
  plain.numbers.resize(d.size());
  for (std::size_t i = 0; i < d.size(); ++i) plain.numbers[i] = ZigZag(d[i]);
  plain.Cost(0);
  const Candidate* best = &plain;

  second.transform = cf::kDeltaOfDelta;
  second.numbers.assign(d.size(), 0);
  second.numbers[0] = ZigZag(d[0]);
  for (std::size_t i = 1; i < n; ++i) {
    second.numbers[i] = ZigZag(WrapSub(d[i], d[i - 1]));
  }
  second.Cost(0);
  if (second.cost < best->cost) best = &second;

  *min = *std::min_element(d.begin(), d.begin() + static_cast<long>(n));
  low.transform = cf::kDeltaMinusMin;
  low.numbers.assign(d.size(), 0);
  for (std::size_t i = 0; i < n; ++i) {
    low.numbers[i] = static_cast<std::uint64_t>(WrapSub(d[i], *min));
  }
  low.Cost(1 + static_cast<std::size_t>(std::bit_width(ZigZag(*min))) / 7);
  if (low.cost < best->cost) best = &low;

  if (may_refer && moving > 0) {
    const Recent& r = recent[(moving - 1) % max_recent];
    if (r.depth < cf::kMaxDepth) {
      difference.transform = cf::kDifference;
      difference.numbers.resize(d.size());
      for (std::size_t i = 0; i < d.size(); ++i) {
        difference.numbers[i] = ZigZag(WrapSub(d[i], r.deltas[i]));
      }
      difference.Cost(1);
      if (difference.cost < best->cost) best = &difference;
    }
  }
  return *best;
}

std::size_t ColumnEncoder::Impl::CostOf(const std::vector<std::int64_t>& d) {
  std::int64_t min = 0;
  return Best(d, false, &min).cost;
}

void ColumnEncoder::Impl::PutGroups(const std::vector<std::uint64_t>& numbers) {
  for (std::size_t g = 0; g < numbers.size(); g += cf::kGroup) {
    const std::uint64_t* v = &numbers[g];
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < cf::kGroup; ++i) all |= v[i];
    const std::uint8_t code =
        cf::kWidthCodes[static_cast<std::size_t>(std::bit_width(all))];
    widths.push_back(code);
    const unsigned width = cf::kWidths[code];
    if (width == 0) continue;
    unsigned __int128 pending = 0;
    unsigned bits = 0;
    for (std::size_t i = 0; i < cf::kGroup; ++i) {
      pending |= static_cast<unsigned __int128>(v[i]) << bits;
      bits += width;
      while (bits >= 8) {
        payload.push_back(static_cast<char>(pending & 0xff));
        pending >>= 8;
        bits -= 8;
      }
    }
  }
}

void ColumnEncoder::Impl::Remember(std::uint64_t hash, std::uint8_t depth) {
  Recent& r = recent[moving % max_recent];
  if (moving >= max_recent) {
    const auto old = by_hash.find(r.hash);
    if (old != by_hash.end() && old->second + max_recent <= moving) {
      by_hash.erase(old);
    }
  }
  r.deltas.assign(deltas.begin(), deltas.end());
  r.hash = hash;
  r.depth = depth;
  by_hash.insert_or_assign(hash, moving);
}

cf::Transform ColumnEncoder::Impl::PutSequence(std::vector<std::int64_t>* d,
                                               bool may_refer, bool* divided,
                                               std::uint8_t* depth) {
  std::uint64_t divisor = 0;
  for (std::size_t i = 0; i < rows - 1 && divisor != 1; ++i) {
    const std::int64_t v = (*d)[i];
    if (v == 0) continue;
    const std::uint64_t magnitude = v < 0 ? 0 - static_cast<std::uint64_t>(v)
                                          : static_cast<std::uint64_t>(v);
    divisor = std::gcd(divisor, magnitude);
  }
  *divided = divisor > 1 && divisor < (std::uint64_t{1} << 62);
  std::int64_t min = 0;
  if (*divided) {
    // References are between deltas as they are: a divided sequence has none.
    std::vector<std::int64_t> quotients(d->size());
    const auto by = static_cast<std::int64_t>(divisor);
    for (std::size_t i = 0; i < d->size(); ++i) quotients[i] = (*d)[i] / by;
    const Candidate& best = Best(quotients, false, &min);
    AppendVarint(&params, divisor);
    if (best.transform == cf::kDeltaMinusMin) AppendSigned(&params, min);
    PutGroups(best.numbers);
    *depth = 0;
    return best.transform;
  }
  const Candidate& best = Best(*d, may_refer, &min);
  if (best.transform == cf::kDeltaMinusMin) AppendSigned(&params, min);
  *depth = 0;
  if (best.transform == cf::kDifference) {
    AppendVarint(&params, 1);
    *depth =
        static_cast<std::uint8_t>(recent[(moving - 1) % max_recent].depth + 1);
  }
  PutGroups(best.numbers);
  return best.transform;
}

void ColumnEncoder::Add(double first, std::span<const ColumnChange> changes,
                        int exponent) {
  Impl& s = *impl_;
  if (changes.empty()) return s.AddConstant(first);
  s.previous_first = first;
  cf::Kind kind = cf::kRaw;
  std::int64_t base = 0;
  std::int64_t correction = 0;
  if (exponent != kRawExponent &&
      s.FillDeltas(first, changes, exponent, &base)) {
    kind = exponent == 0 ? cf::kWhole : cf::kDecimal;
  } else {
    // An accumulated sum, if few enough digits describe it almost.
    s.FillRaw(first, changes);
    std::size_t best = s.CostOf(s.deltas);
    int best_exponent = kRawExponent;
    for (int e = 0; e <= 15; ++e) {
      if (!s.FillSums(first, changes, e, &base, &correction)) continue;
      const std::size_t cost =
          s.CostOf(s.deltas) + s.CostOf(s.corrections) + s.groups / 2;
      if (cost < best) {
        best = cost;
        best_exponent = e;
      }
    }
    if (best_exponent != kRawExponent) {
      kind = cf::kSum;
      exponent = best_exponent;
      s.FillSums(first, changes, exponent, &base, &correction);
    } else {
      s.FillRaw(first, changes);
    }
  }
  if (kind == cf::kRaw) {
    AppendFixed(&s.params, BitsOf(first));
  } else {
    if (kind != cf::kWhole) {
      s.params.push_back(static_cast<char>(exponent - kMinExponent));
    }
    AppendSigned(&s.params, base);
  }
  const std::uint64_t hash =
      XXH3_64bits(s.deltas.data(), s.deltas.size() * sizeof s.deltas[0]);
  const auto known = s.by_hash.find(hash);
  cf::Transform transform = cf::kDelta;
  bool divided = false;
  std::uint8_t depth = 0;
  const Impl::Recent* same = nullptr;
  if (known != s.by_hash.end() &&
      known->second + s.max_recent >= s.moving + 1) {
    same = &s.recent[known->second % s.max_recent];
    if (same->depth >= cf::kMaxDepth || same->deltas != s.deltas) {
      same = nullptr;
    }
  }
  if (same != nullptr) {
    transform = cf::kReference;
    AppendVarint(&s.params, s.moving - known->second);
    depth = static_cast<std::uint8_t>(same->depth + 1);
  } else {
    transform = s.PutSequence(&s.deltas, true, &divided, &depth);
  }
  s.modes.push_back(static_cast<char>(cf::Mode(kind, transform, divided)));
  if (kind == cf::kSum) {
    AppendSigned(&s.params, correction);
    const std::size_t mode_at = s.params.size();
    s.params.push_back('\0');
    bool correction_divided = false;
    std::uint8_t unused = 0;
    const cf::Transform t =
        s.PutSequence(&s.corrections, false, &correction_divided, &unused);
    s.params[mode_at] =
        static_cast<char>(cf::Mode(cf::kZero, t, correction_divided));
  }
  s.Remember(hash, depth);
  ++s.moving;
}

void ColumnEncoder::Finish(std::string* out) {
  Impl& s = *impl_;
  out->append(s.modes);
  AppendText(out, s.params);
  AppendVarint(out, s.widths.size());
  for (std::size_t i = 0; i < s.widths.size(); i += 2) {
    const unsigned high = i + 1 < s.widths.size() ? s.widths[i + 1] : 0;
    out->push_back(static_cast<char>(s.widths[i] | (high << 4)));
  }
  AppendVarint(out, s.payload.size());
  out->append(s.payload);
}

}  // namespace fodc::recorder
