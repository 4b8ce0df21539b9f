// SPDX-License-Identifier: Apache-2.0
// Compressed bodies from anybody, in pieces. The first byte says the coding and
// how long a piece is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fodc/net/compression.h"

namespace fodc::net {
namespace {

constexpr std::size_t kMaxOutBytes = 1u << 20;

// Whether `bytes` are one whole stream.
bool Decode(ContentCoding coding, std::string_view bytes, std::size_t piece,
            std::string* out) {
  const auto decompressor = MakeDecompressor(coding);
  while (!bytes.empty()) {
    const bool good =
        decompressor->Add(bytes.substr(0, piece), out, kMaxOutBytes).ok();
    if (out->size() > kMaxOutBytes) std::abort();
    if (!good) return false;
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return decompressor->End().ok();
}

}  // namespace
}  // namespace fodc::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::net;
  if (size == 0) return 0;
  const auto coding =
      (data[0] & 1) != 0 ? ContentCoding::kGzip : ContentCoding::kZstd;
  const std::size_t piece = 1 + (data[0] >> 1) * std::size_t{8};
  const std::string_view input(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  std::string in_pieces;
  std::string at_once;
  const bool good = Decode(coding, input, piece, &in_pieces);
  if (good != Decode(coding, input, input.size() + 1, &at_once)) std::abort();
  if (good && in_pieces != at_once) std::abort();

  std::string compressed;
  MakeCompressor(coding)->Add(input, true, &compressed);
  std::string back;
  if (!Decode(coding, compressed, piece, &back) || back != input) std::abort();
  return 0;
}
