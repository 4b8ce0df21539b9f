// SPDX-License-Identifier: Apache-2.0
// A file of a copy on its way from the proxy's disk to a client.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fodc/link/evidence_source.h"
#include "fodc/net/http_message.h"

namespace fodc::proxy {

// Reads a piece when one is asked for, and holds no more than that.
class CopyBody final : public net::BodySource {
 public:
  // Ends after `length` bytes, or where the file does.
  CopyBody(std::unique_ptr<link::EvidenceReader> reader,
           std::optional<std::uint64_t> length)
      : reader_(std::move(reader)), left_(length) {}

  void Start(std::function<void()> wake) override { wake_ = std::move(wake); }
  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override {
    if (left_ == 0) return net::BodyStep::kDone;
    if (read_) {
      Result<std::string> bytes = *std::exchange(read_, std::nullopt);
      if (!bytes.ok()) return bytes.status();
      if (bytes->empty()) return net::BodyStep::kDone;
      if (left_) *left_ -= bytes->size();
      *piece = *std::move(bytes);
      return net::BodyStep::kMore;
    }
    if (is_reading_) return net::BodyStep::kWait;
    is_reading_ = true;
    // The reader forgets this when it goes, and it goes with the body.
    reader_->Read(
        left_ ? std::min<std::uint64_t>(max_bytes, *left_) : max_bytes,
        [this](Result<std::string> bytes) {
          is_reading_ = false;
          read_ = std::move(bytes);
          if (wake_) wake_();
        });
    return net::BodyStep::kWait;
  }

 private:
  const std::unique_ptr<link::EvidenceReader> reader_;
  std::optional<std::uint64_t> left_;
  std::optional<Result<std::string>> read_;
  bool is_reading_ = false;
  std::function<void()> wake_;
};

}  // namespace fodc::proxy
