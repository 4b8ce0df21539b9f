// SPDX-License-Identifier: Apache-2.0
// For tests and fuzzers: capsules of any shape.
#pragma once

#include <zstd.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/capsule.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/sha256.h"
#include "fodc/evidence/tar.h"

namespace fodc::evidence {

// Full names, and contents.
using TarFiles = std::vector<std::pair<std::string, std::string>>;

inline std::string MakeTar(const TarFiles& files) {
  std::string tar;
  for (const auto& [name, text] : files) {
    const TarBlock head =
        EncodeTarHead({.name = name, .size_bytes = text.size()}).value();
    tar.append(head.data(), head.size());
    tar += text;
    tar.append(TarPadding(text.size()), '\0');
  }
  return tar.append(2 * kTarBlockBytes, '\0');
}

inline std::string HexOf(std::string_view text) {
  Sha256 sha256;
  sha256.Update(text);
  return sha256.Hex();
}

// With the manifest that fits, as the last.
inline TarFiles WithManifest(std::string_view id, const TarFiles& files) {
  Manifest manifest;
  TarFiles all;
  for (const auto& [name, text] : files) {
    manifest[name] = HexOf(text);
    all.emplace_back(StrCat(id, "/", name), text);
  }
  all.emplace_back(StrCat(id, "/", kManifestFile), EncodeManifest(manifest));
  return all;
}

inline std::string Compress(std::string_view bytes) {
  std::string frame(ZSTD_compressBound(bytes.size()), '\0');
  frame.resize(
      ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 1));
  return frame;
}

// Gives `bytes` piece by piece.
inline ReadBytes ReadFrom(std::string_view bytes, std::size_t piece = 4096) {
  return [bytes, piece](std::span<char> buffer) mutable -> Result<std::size_t> {
    const std::size_t n = std::min({piece, buffer.size(), bytes.size()});
    std::copy_n(bytes.begin(), n, buffer.begin());
    bytes.remove_prefix(n);
    return n;
  };
}

}  // namespace fodc::evidence
