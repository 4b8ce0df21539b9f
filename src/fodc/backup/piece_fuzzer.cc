// SPDX-License-Identifier: Apache-2.0
// Pieces as they came from a destination that anybody may write to. The first
// byte says in what portions they come.
#include <algorithm>
#include <cstdlib>

#include "fodc/backup/piece.h"
#include "fodc/base/strings.h"

namespace {

using namespace fodc;
using namespace fodc::backup;

constexpr std::size_t kMost = 1u << 20;

// False: it is no piece.
bool Decode(std::string_view piece, std::size_t at_once, std::string* text) {
  static const SealKey key({1});
  PieceDecoder decoder(piece.size(), &key);
  for (std::size_t at = 0; at < piece.size(); at += at_once) {
    const Status s = decoder.Write(piece.substr(at, at_once),
                                   [text](std::string_view some) -> Status {
                                     if (text->size() + some.size() > kMost)
                                       return ResourceExhausted("too much");
                                     text->append(some);
                                     return OkStatus();
                                   });
    if (!s.ok()) return false;
  }
  return decoder.Finish().ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view piece(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  std::string at_once;
  std::string in_portions;
  const bool is_good = Decode(piece, kMost, &at_once);
  // Portions change nothing.
  if (Decode(piece, 1 + data[0] % 61, &in_portions) != is_good) std::abort();
  if (is_good && at_once != in_portions) std::abort();
  return 0;
}
