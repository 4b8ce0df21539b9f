// SPDX-License-Identifier: Apache-2.0
// Files of saved pages: `#@@ <sequence> <unix milliseconds> <HTTP status>
// <body bytes>\n<body>`, one after the other, plain or zstd-compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::ctl {

struct SavedFrame {
  std::uint64_t sequence = 0;
  std::int64_t unix_ms = 0;
  int http_status = 0;
  std::string body;  // empty for a scrape that failed
};

// Reads frame after frame: memory for one frame. Not thread-safe.
class FrameFile {
 public:
  static constexpr std::size_t kMaxBodyBytes = 64u << 20;

  // By its name: *.zst is compressed. Errors: as open(2).
  static Result<FrameFile> Open(const std::string& path);
  FrameFile(FrameFile&&) noexcept;
  FrameFile& operator=(FrameFile&&) noexcept;
  ~FrameFile();

  // False at the end. Errors: kDataLoss, naming file and frame, for anything
  // that is no frame or is cut.
  Result<bool> Next(SavedFrame* frame);
  const std::string& path() const;

 private:
  struct Impl;
  explicit FrameFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The stem of a file of saved pages: "etcd" for "etcd.frames.zst" and
// "etcd.frames"; empty for any other name.
std::string_view FrameFileStem(std::string_view name);

}  // namespace fodc::ctl
