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

// 64 bytes at once where lengths around 32 are common: a loop that sometimes
// goes round twice costs more than the second half.

inline const char* NameEnd(const char* p) {
  for (;; p += 64) {
    const std::uint64_t stop = Join(Mask(NotInName<true>(LoadWide(p))),
                                    Mask(NotInName<true>(LoadWide(p + 32))));
    if (stop != 0) return p + LowestBit(stop);
  }
}

inline const char* LabelNameEnd(const char* p) {
  for (;; p += 32) {
    const unsigned stop = Mask(NotInName<false>(LoadWide(p)));
    if (stop != 0) return p + LowestBit(stop);
  }
}

inline unsigned EndsValue(__m256i v) {
  const __m256i found = _mm256_or_si256(
      _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                      _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))),
      _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n')));
  return Mask(_mm256_or_si256(found, v));
}

// The first quote, backslash, line feed or byte beyond ASCII.
inline const char* ValueEnd(const char* p) {
  for (;; p += 64) {
    const std::uint64_t stop =
        Join(EndsValue(LoadWide(p)), EndsValue(LoadWide(p + 32)));
    if (stop != 0) return p + LowestBit(stop);
  }
}

// What is known of 64 bytes: which end a label name, and which a value.
struct LabelWindow {
  const char* base = nullptr;
  std::uint64_t ends_name = 0;
  std::uint64_t ends_value = 0;
};

// Looks up the label at `p` in the window. False if it is not all in it.
inline bool LookUpLabel(const char* p, const LabelWindow& window,
                        const char** name_end, const char** value_end) {
  const auto at = static_cast<unsigned>(p - window.base);
  const std::uint64_t ends_name = window.ends_name >> at;
  if (ends_name == 0) return false;
  const unsigned name_size = LowestBit(ends_name);
  // Behind =" if that is what follows the name.
  const unsigned value_at = at + name_size + 2;
  if (value_at >= 64) return false;
  const std::uint64_t ends_value = window.ends_value >> value_at;
  if (ends_value == 0) return false;
  *name_end = p + name_size;
  *value_end = window.base + value_at + LowestBit(ends_value);
  return true;
}

// The ends of the label name at `p` and of the value that seems to follow:
// what is between is for the caller to check. One look at the text serves all
// labels within 64 bytes, so that finding one does not wait for loads.
FODC_ALWAYS_INLINE void FindLabel(const char* p, LabelWindow* window,
                                  const char** name_end,
                                  const char** value_end) {
  if (reinterpret_cast<std::uintptr_t>(p) -
              reinterpret_cast<std::uintptr_t>(window->base) <
          64 &&
      LookUpLabel(p, *window, name_end, value_end)) {
    return;
  }
  const __m256i low = LoadWide(p);
  const __m256i high = LoadWide(p + 32);
  window->base = p;
  window->ends_name =
      Join(Mask(NotInName<false>(low)), Mask(NotInName<false>(high)));
  window->ends_value = Join(EndsValue(low), EndsValue(high));
  if (LookUpLabel(p, *window, name_end, value_end)) return;
  *name_end = LabelNameEnd(p);
  // Not beyond a line feed, behind which the page may end: it may be what
  // follows the '='.
  *value_end = (*name_end)[0] == '=' && (*name_end)[1] == '"'
                   ? ValueEnd(*name_end + 2)
                   : *name_end;
}

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

// As series_hash::Bytes.
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
  alignas(32) std::uint64_t lanes[4];
  const __m128i low = _mm256_castsi256_si128(sum);
  const __m128i high = _mm256_extracti128_si256(sum, 1);
  lanes[0] = static_cast<std::uint64_t>(_mm_cvtsi128_si64(low));
  lanes[1] = static_cast<std::uint64_t>(_mm_extract_epi64(low, 1));
  lanes[2] = static_cast<std::uint64_t>(_mm_cvtsi128_si64(high));
  lanes[3] = static_cast<std::uint64_t>(_mm_extract_epi64(high, 1));
  return series_hash::FinishBytes(lanes, seed);
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
