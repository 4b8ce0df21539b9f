// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/crc64_nvme.h"

#include <array>
#include <bit>
#include <cstring>

namespace fodc::object_store {
namespace {

static_assert(std::endian::native == std::endian::little);

// The polynomial of NVM Express, its bits reversed.
constexpr std::uint64_t kPolynomial = 0x9a6c9329ac4bc9b5;
using Tables = std::array<std::array<std::uint64_t, 256>, 8>;

// Eight bytes at a time: table k has what a byte means k bytes further on.
constexpr Tables MakeTables() {
  Tables t{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    t[0][i] = crc;
  }
  for (std::size_t k = 1; k < t.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i)
      t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 255];
  }
  return t;
}
constexpr Tables kTables = MakeTables();

}  // namespace

std::uint64_t ExtendCrc64Nvme(std::uint64_t crc, std::string_view bytes) {
  crc = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t next = 0;
    std::memcpy(&next, bytes.data(), 8);
    next ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k)
      crc ^= kTables[7 - k][(next >> (8 * k)) & 255];
  }
  for (const char c : bytes)
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(c)) & 255];
  return ~crc;
}

}  // namespace fodc::object_store
