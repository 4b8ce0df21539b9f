// SPDX-License-Identifier: Apache-2.0
// The page loops over 32 bytes at a time. Only the functions below the pragma
// are compiled for AVX2; they are reached after a test of the machine.
#include <cstring>

#include "fodc/exposition/number.h"
#include "fodc/exposition/page_scan.h"
#include "fodc/exposition/series_hash.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2")
#endif

namespace fodc::exposition {
namespace {

inline __m256i LoadWide(const char* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline unsigned Mask(__m256i v) {
  return static_cast<unsigned>(_mm256_movemask_epi8(v));
}

// Bytes that may stand in a name: one bit per group of rows of the ASCII
// table, chosen by the high half of the byte; the low half says for which
// groups the column is legal. Bytes beyond ASCII have no group.
template <bool kColon>
inline __m256i NotInName(__m256i v) {
  // Groups: 1 digits (and colon), 2 A-O and a-o, 4 P-Z and _, 8 p-z.
  constexpr char kA = kColon ? 15 : 14;
  const __m256i columns = _mm256_setr_epi8(
      13, 15, 15, 15, 15, 15, 15, 15, 15, 15, kA, 2, 2, 2, 2, 6,  //
      13, 15, 15, 15, 15, 15, 15, 15, 15, 15, kA, 2, 2, 2, 2, 6);
  const __m256i groups =
      _mm256_setr_epi8(0, 0, 0, 1, 2, 4, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0,  //
                       0, 0, 0, 1, 2, 4, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i high =
      _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
  const __m256i legal = _mm256_and_si256(_mm256_shuffle_epi8(columns, v),
                                         _mm256_shuffle_epi8(groups, high));
  return _mm256_cmpeq_epi8(legal, _mm256_setzero_si256());
}

inline std::uint64_t Join(unsigned low, unsigned high) {
  return low | std::uint64_t{high} << 32;
}

inline unsigned LowestBit(std::uint64_t mask) {
  return static_cast<unsigned>(__builtin_ctzll(mask));
}

inline const char* NameEnd(const char* p) {
  for (;; p += 32) {
    const unsigned stop = Mask(NotInName<true>(LoadWide(p)));
    if (stop != 0) return p + LowestBit(stop);
  }
}

inline const char* LabelNameEnd(const char* p) {
  for (;; p += 32) {
    const unsigned stop = Mask(NotInName<false>(LoadWide(p)));
    if (stop != 0) return p + LowestBit(stop);
  }
}

// Each byte is compared with the only one of the three that its low half
// allows.
inline unsigned EndsValue(__m256i v) {
  const __m256i ends = _mm256_setr_epi8(
      1, 0, '"', 0, 0, 0, 0, 0, 0, 0, '\n', 0, '\\', 0, 0, 0,  //
      1, 0, '"', 0, 0, 0, 0, 0, 0, 0, '\n', 0, '\\', 0, 0, 0);
  const __m256i found = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(ends, v), v);
  return Mask(_mm256_or_si256(found, v));
}

// Quotes, backslashes, line feeds and bytes beyond ASCII of 64 bytes, found at
// once: where a label ends, and the line, is then known before it is read.
class LineEnds {
 public:
  // `p`: where a label begins, or a line.
  explicit LineEnds(const char* p) : from_(p), ends_(Find(p)) {}

  // Of the value of the next label.
  const char* OfValue(const char* value) {
    ends_ &= ends_ - 1;  // the quote before the value
    for (; __builtin_expect(ends_ == 0, 0); value += 64) {
      from_ = value;
      ends_ = Find(value);
    }
    const char* const end = from_ + LowestBit(ends_);
    ends_ &= ends_ - 1;
    return end;
  }

  // The next of them; if it is further off, a place before it.
  const char* Next() const { return from_ + (_tzcnt_u64(ends_) & 63); }

 private:
  static std::uint64_t Find(const char* p) {
    return Join(EndsValue(LoadWide(p)), EndsValue(LoadWide(p + 32)));
  }

  const char* from_;
  std::uint64_t ends_;
};

inline unsigned EndsAsciiLine(__m256i v) {
  return Mask(_mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n')), v));
}

// The first line feed or byte beyond ASCII.
inline const char* AsciiLineEnd(const char* p) {
  for (;; p += 64) {
    const std::uint64_t stop =
        Join(EndsAsciiLine(LoadWide(p)), EndsAsciiLine(LoadWide(p + 32)));
    if (stop != 0) return p + LowestBit(stop);
  }
}

inline unsigned Differs(const char* a, const char* b) {
  return ~Mask(_mm256_cmpeq_epi8(LoadWide(a), LoadWide(b)));
}

// Length of the common front of `a` and `b`, or `least` or more if they have
// that in common. Both have slack.
inline std::size_t CommonFront(const char* a, const char* b,
                               std::size_t least) {
  std::size_t i = 0;
  do {
    const std::uint64_t differs =
        Join(Differs(a + i, b + i), Differs(a + i + 32, b + i + 32));
    if (differs != 0) return i + LowestBit(differs);
    i += 64;
  } while (i < least);
  return i;
}

// Length of the common front of `a` and `b`, at most `limit`. Both have slack.
inline std::size_t FirstDifference(const char* a, const char* b,
                                   std::size_t limit) {
  for (std::size_t i = 0; i < limit; i += 64) {
    const std::uint64_t differs =
        Join(Differs(a + i, b + i), Differs(a + i + 32, b + i + 32));
    if (differs != 0) {
      const std::size_t at = i + LowestBit(differs);
      return at < limit ? at : limit;
    }
  }
  return limit;
}

// Whether `a` and `b` begin with the same `size` bytes; false beyond 32. Both
// have slack.
inline bool BeginsAlike(const char* a, const char* b, std::size_t size) {
  const std::uint64_t differs = Differs(a, b) | (std::uint64_t{1} << 32);
  return LowestBit(differs) >= size;
}

inline std::uint64_t HashBytes(const char* p, std::size_t n,
                               std::uint64_t seed) {
  seed += n;
  if (__builtin_expect(n > 64, 0)) seed = series_hash::FrontSeed(&p, &n, seed);
  const char* mask =
      reinterpret_cast<const char*>(&series_hash::kSlidingMask) + 64 - n;
  const char* keys = reinterpret_cast<const char*>(series_hash::kKeys);
  const __m256i a = _mm256_xor_si256(
      _mm256_and_si256(LoadWide(p), LoadWide(mask)), LoadWide(keys));
  const __m256i b =
      _mm256_xor_si256(_mm256_and_si256(LoadWide(p + 32), LoadWide(mask + 32)),
                       LoadWide(keys + 32));
  const __m256i sum =
      _mm256_add_epi64(_mm256_mul_epu32(a, _mm256_srli_epi64(a, 32)),
                       _mm256_mul_epu32(b, _mm256_srli_epi64(b, 32)));
  const __m128i lanes = _mm_add_epi64(_mm256_castsi256_si128(sum),
                                      _mm256_extracti128_si256(sum, 1));
  return series_hash::FinishBytes(
      static_cast<std::uint64_t>(_mm_cvtsi128_si64(lanes)),
      static_cast<std::uint64_t>(_mm_extract_epi64(lanes, 1)), seed);
}

using LabelSum = __m256i;

inline LabelSum NoLabels() { return _mm256_setzero_si256(); }

FODC_ALWAYS_INLINE void SumWords(const char* p, const unsigned char* mask,
                                 const std::uint64_t* keys, __m256i name,
                                 LabelSum* sum) {
  const __m256i key = _mm256_xor_si256(
      name, _mm256_load_si256(reinterpret_cast<const __m256i*>(keys)));
  const __m256i words = _mm256_add_epi32(
      _mm256_and_si256(LoadWide(p),
                       LoadWide(reinterpret_cast<const char*>(mask))),
      key);
  *sum = _mm256_add_epi64(
      *sum, _mm256_mul_epu32(words, _mm256_srli_epi64(words, 32)));
}

// As series_hash::AddLabel; the lanes are added up at the end.
FODC_ALWAYS_INLINE void SumLabel(std::uint64_t name, const char* p,
                                 std::size_t n, LabelSum* sum) {
  if (__builtin_expect(n > 64, 0)) {
    const std::uint64_t front =
        series_hash::FrontSeed(&p, &n, name ^ series_hash::kProcessKey);
    *sum = _mm256_add_epi64(
        *sum, _mm256_setr_epi64x(static_cast<long long>(front), 0, 0, 0));
  }
  const auto* mask =
      reinterpret_cast<const unsigned char*>(&series_hash::kSlidingMask) + 64 -
      n;
  const std::uint64_t* keys = series_hash::kValueKeys.words;
  const __m256i names = _mm256_set1_epi64x(static_cast<long long>(name));
  SumWords(p, mask, keys, names, sum);
  if (n > 32) SumWords(p + 32, mask + 32, keys + 4, names, sum);
}

inline std::uint64_t FinishHash(std::uint64_t name, LabelSum sum) {
  const __m128i lanes = _mm_add_epi64(_mm256_castsi256_si128(sum),
                                      _mm256_extracti128_si256(sum, 1));
  return series_hash::Finish(
      name, {{static_cast<std::uint64_t>(_mm_cvtsi128_si64(lanes)),
              static_cast<std::uint64_t>(_mm_extract_epi64(lanes, 1))}});
}

// A load at n gives what brings n bytes to the end of a register, with zeros
// before them.
constexpr signed char kToEnd[32] = {-1, -1, -1, -1, -1, -1, -1, -1,  //
                                    -1, -1, -1, -1, -1, -1, -1, -1,  //
                                    0,  1,  2,  3,  4,  5,  6,  7,   //
                                    8,  9,  10, 11, 12, 13, 14, 15};

__attribute__((noinline)) const char* OddNumber(const char* p, double* value) {
  return number_internal::FastNumber(p, value);
}

// Of up to 15 bytes before the exponent, all digits at once; the others are for
// OddNumber.
FODC_ALWAYS_INLINE const char* WideNumber(const char* text, double* value) {
  const bool negative = *text == '-';
  const char* p = text + negative;
  const __m128i digits = _mm_sub_epi8(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), _mm_set1_epi8('0'));
  // Bytes that are no digits; so are all behind the 16.
  const unsigned others = ~static_cast<unsigned>(_mm_movemask_epi8(
      _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits)));
  const unsigned whole = LowestBit(others);
  const bool has_dot = p[whole] == '.';
  const unsigned size = has_dot ? LowestBit(others & (others - 1)) : whole;
  const unsigned count = size - has_dot;
  if (size >= 16 || count == 0) return OddNumber(text, value);
  // Digits behind the dot come from one byte later.
  __m128i from =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kToEnd + count));
  from = _mm_sub_epi8(
      from, _mm_cmpgt_epi8(from, _mm_set1_epi8(static_cast<char>(whole - 1))));
  const __m128i twos = _mm_maddubs_epi16(_mm_shuffle_epi8(digits, from),
                                         _mm_set1_epi16(10 + (1 << 8)));
  const __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(100 + (1 << 16)));
  const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours),
                                        _mm_set1_epi32(10000 + (1 << 16)));
  const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
  const std::uint64_t mantissa = (both & 0xffffffff) * 100000000 + (both >> 32);
  int exponent = static_cast<int>(whole) - static_cast<int>(count);
  p += size;
  if (static_cast<unsigned char>(*p) > ' ') {
    // As printf and Go write it: a sign and two digits.
    const bool minus = p[1] == '-';
    const unsigned tens = static_cast<unsigned char>(p[2] - '0');
    const unsigned ones = static_cast<unsigned char>(p[3] - '0');
    if ((*p | 0x20) != 'e' || (!minus && p[1] != '+') || tens > 9 || ones > 9 ||
        static_cast<unsigned char>(p[4]) > ' ') {
      return OddNumber(text, value);
    }
    const int e = static_cast<int>(tens * 10 + ones);
    exponent += minus ? -e : e;
    p += 4;
  }
  if (exponent < -22 || exponent > 22) return OddNumber(text, value);
  // Both are exact: 15 digits have less than 53 bits.
  double v = static_cast<double>(static_cast<std::int64_t>(mantissa));
  if (exponent != 0) {
    v = exponent < 0 ? v / number_internal::kExactPowersOfTen[-exponent]
                     : v * number_internal::kExactPowersOfTen[exponent];
  }
  *value = negative ? -v : v;
  return p;
}

FODC_ALWAYS_INLINE const char* ScanNumber(const char* p, double* value) {
  const char* end = number_internal::SmallInteger(p, value);
  return end != nullptr ? end : WideNumber(p, value);
}

#include "fodc/exposition/page_scan_loops.inc"
// Behind the one above.
#include "fodc/exposition/page_scan_follow.inc"

constexpr ScanFunctions kWide = {&ReadPage, &FollowPage};

}  // namespace
}  // namespace fodc::exposition

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace fodc::exposition {

const ScanFunctions* WideScan() {
  static const bool kSupported = __builtin_cpu_supports("avx2") &&
                                 __builtin_cpu_supports("bmi") &&
                                 __builtin_cpu_supports("bmi2");
  return kSupported ? &kWide : nullptr;
}

}  // namespace fodc::exposition

#else

namespace fodc::exposition {
const ScanFunctions* WideScan() { return nullptr; }
}  // namespace fodc::exposition

#endif
