// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fodc/exposition/number.h"
#include "fodc/exposition/page_scan.h"
#include "fodc/exposition/series_hash.h"

namespace fodc::exposition {
namespace {

// What a byte may be part of.
enum : unsigned char { kInName = 1, kInLabelName = 2, kEndsValue = 4 };

struct ByteTable {
  unsigned char classes[256] = {};
  constexpr ByteTable() {
    for (unsigned c = 0; c < 256; ++c) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      const bool in_label = letter || c == '_' || (c >= '0' && c <= '9');
      unsigned char bits = 0;
      if (in_label) bits |= kInLabelName | kInName;
      if (c == ':') bits |= kInName;
      if (c == '"' || c == '\\' || c == '\n' || c >= 0x80) bits |= kEndsValue;
      classes[c] = bits;
    }
  }
};
constexpr ByteTable kBytes;

inline unsigned char ClassOf(char c) {
  return kBytes.classes[static_cast<unsigned char>(c)];
}

inline const char* NameEnd(const char* p) {
  while ((ClassOf(*p) & kInName) != 0) ++p;
  return p;
}

inline const char* LabelNameEnd(const char* p) {
  while ((ClassOf(*p) & kInLabelName) != 0) ++p;
  return p;
}

// The first quote, backslash, line feed or byte beyond ASCII.
inline const char* ValueEnd(const char* p) {
  while ((ClassOf(*p) & kEndsValue) == 0) ++p;
  return p;
}

// Where values and lines end. Here that is looked for when it is asked for.
class LineEnds {
 public:
  explicit LineEnds(const char* p) : from_(p) {}
  const char* OfValue(const char* value) const { return ValueEnd(value); }
  // Not known.
  const char* Next() const { return from_; }

 private:
  const char* from_;
};

// The first line feed or byte beyond ASCII.
inline const char* AsciiLineEnd(const char* p) {
  while (*p != '\n' && static_cast<signed char>(*p) >= 0) ++p;
  return p;
}

// Length of the common front of `a` and `b`, at most `limit`. Both have slack.
inline std::size_t FirstDifference(const char* a, const char* b,
                                   std::size_t limit) {
  for (std::size_t i = 0; i < limit; i += 8) {
    const std::uint64_t x = series_hash::Load(a + i) ^ series_hash::Load(b + i);
    if (x != 0) {
      const std::size_t at =
          i + static_cast<std::size_t>(__builtin_ctzll(x)) / 8;
      return at < limit ? at : limit;
    }
  }
  return limit;
}

// Length of the common front of `a` and `b`, or `least` or more if they have
// that in common. Both have slack.
inline std::size_t CommonFront(const char* a, const char* b,
                               std::size_t least) {
  return FirstDifference(a, b, least);
}

// Whether `a` and `b` begin with the same `size` bytes; false beyond 64. Both
// have slack.
inline bool BeginsAlike(const char* a, const char* b, std::size_t size) {
  return size <= 64 && FirstDifference(a, b, size) == size;
}

inline std::uint64_t HashBytes(const char* p, std::size_t n,
                               std::uint64_t seed) {
  return series_hash::Bytes(p, n, seed);
}

using LabelSum = series_hash::LabelSum;

inline LabelSum NoLabels() { return {}; }

inline void SumLabel(std::uint64_t name, const char* p, std::size_t n,
                     LabelSum* sum) {
  series_hash::AddLabel(name, p, n, sum);
}

inline std::uint64_t FinishHash(std::uint64_t name, const LabelSum& sum) {
  return series_hash::Finish(name, sum);
}

FODC_ALWAYS_INLINE const char* ScanNumber(const char* p, double* value) {
  return number_internal::FastNumber(p, value);
}

#include "fodc/exposition/page_scan_loops.inc"
// Behind the one above.
#include "fodc/exposition/page_scan_follow.inc"

constexpr ScanFunctions kPortable = {&ReadPage, &FollowPage};

}  // namespace

const ScanFunctions& PortableScan() { return kPortable; }

}  // namespace fodc::exposition
