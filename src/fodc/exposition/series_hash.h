// SPDX-License-Identifier: Apache-2.0
// The hash that finds duplicated series: equal for equal names and label sets,
// in whatever order the labels stand. Equal hashes prove nothing: compare.
// They differ from process to process, so that no page can be made of series
// that all meet in one place of a table; pages of equal hashes can be made, and
// who compares must bound how often.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fodc::exposition::series_hash {

// All functions are static: they are compiled once per instruction set.

inline constexpr std::uint64_t kName = 0x9e3779b97f4a7c15;
inline constexpr std::uint64_t kLabel = 0xd1b54a32d192ed03;

static inline std::uint64_t Load(const char* p) {
  std::uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

static inline std::uint64_t Fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^
         static_cast<std::uint64_t>(product >> 64);
}

// 64 bytes of ones, then 64 of zeros: a load at 64 - n masks n bytes.
alignas(64) inline constexpr std::array<unsigned char, 128> kSlidingMask = [] {
  std::array<unsigned char, 128> mask{};
  for (std::size_t i = 0; i < 64; ++i) mask[i] = 0xff;
  return mask;
}();

static inline __attribute__((always_inline)) std::uint64_t Masked(
    const char* p, const unsigned char* mask, std::size_t at) {
  std::uint64_t m;
  std::memcpy(&m, mask + at, sizeof m);
  return Load(p + at) & m;
}

alignas(32) inline constexpr std::uint64_t kKeys[] = {
    0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3,
    0x589965cc75374cc3, 0x1d8e4e27c47d124f, 0xeb44accab455d165,
    0x9c6e6877736c46e3, 0x8f51b3b0f3a1c5a9};

// The hash of the front of more than 64 bytes, 32 at a time, as the seed for
// the rest.
static inline std::uint64_t FrontSeed(const char** p, std::size_t* n,
                                      std::uint64_t seed) {
  while (*n > 64) {
    seed = Fold(Load(*p) ^ seed, Load(*p + 8) ^ kKeys[0]);
    seed = Fold(Load(*p + 16) ^ seed, Load(*p + 24) ^ kKeys[1]);
    *p += 32;
    *n -= 32;
  }
  return seed;
}

static inline std::uint64_t FinishBytes(std::uint64_t a, std::uint64_t b,
                                        std::uint64_t seed) {
  return Fold(a ^ seed, b ^ kKeys[2]);
}

// Hash of a name's n bytes. Reads up to 64 bytes beyond them. No branch on the
// length: names of all lengths come mixed. The eight words of the last 64
// bytes go to two lanes, which a wide register does at once
// (page_scan_wide.cc gives the very same).
static inline std::uint64_t Bytes(const char* p, std::size_t n,
                                  std::uint64_t seed) {
  seed = FrontSeed(&p, &n, seed + n);
  const unsigned char* mask = kSlidingMask.data() + 64 - n;
  std::uint64_t lanes[2] = {};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t w = Masked(p, mask, 8 * i) ^ kKeys[i];
    lanes[i % 2] += (w & 0xffffffff) * (w >> 32);
  }
  return FinishBytes(lanes[0], lanes[1], seed);
}

// Random, once per process.
extern const std::uint64_t kProcessKey;

struct ValueKeys {
  alignas(32) std::uint64_t words[8];
};
// Random, once per process.
extern const ValueKeys kValueKeys;

// Of a label's name, for AddLabel. Reads up to 64 bytes beyond.
static inline std::uint64_t LabelName(const char* p, std::size_t n) {
  return Bytes(p, n, kLabel);
}

// What the labels of a series add up to, in any order.
struct LabelSum {
  std::uint64_t lanes[2] = {};
};

// Adds a label: `name` is the hash of its name, and its value is the n bytes at
// `p`, escaped (\\, \" and \n, nothing else) and with the closing quote, so
// that no two values are alike. Each word of the value meets a key of its place
// and of the name; then its halves are multiplied (NH, of UMAC). Reads up to 64
// bytes beyond (page_scan_wide.cc gives the very same).
static inline void AddLabel(std::uint64_t name, const char* p, std::size_t n,
                            LabelSum* sum) {
  if (n > 64) sum->lanes[0] += FrontSeed(&p, &n, name ^ kProcessKey);
  const unsigned char* mask = kSlidingMask.data() + 64 - n;
  const std::size_t words = n > 32 ? 8 : 4;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t w = Masked(p, mask, 8 * i);
    const std::uint64_t key = kValueKeys.words[i] ^ name;
    const std::uint64_t low = (w + key) & 0xffffffff;
    const std::uint64_t high = ((w >> 32) + (key >> 32)) & 0xffffffff;
    sum->lanes[i % 2] += low * high;
  }
}

// Of a series: `name` is Bytes of its name with the seed kName. Never 0.
static inline std::uint64_t Finish(std::uint64_t name, const LabelSum& labels) {
  return Fold(labels.lanes[0] ^ name, labels.lanes[1] ^ kProcessKey) |
         std::uint64_t{1} << 63;
}

}  // namespace fodc::exposition::series_hash
