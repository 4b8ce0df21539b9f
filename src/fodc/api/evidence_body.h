// SPDX-License-Identifier: Apache-2.0
// A body of evidence on its way from an agent to a client.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/api/slots.h"
#include "fodc/evidence/sha256.h"
#include "fodc/net/http_message.h"

namespace fodc::api {

// What is shown of a failure before the first byte.
using FailureText = std::function<Status(const Status&)>;

// What a whole artifact is to be, as its agent told.
struct BodyDigest {
  std::uint64_t bytes = 0;
  std::string sha256;
};

// Passes on what `body` gives when it is asked, and holds nothing of it. What
// is not what `digest` says fails before its last byte has gone, so that no
// client takes it for the whole.
class EvidenceBody final : public net::BodySource {
 public:
  // Whoever asks for a page meanwhile waits for one piece at most.
  static constexpr std::size_t kPieceBytes = 64u << 10;

  // `slot` lives as long as the body. `digest`: nothing if it is not known, or
  // if a part was asked for.
  EvidenceBody(std::unique_ptr<net::BodySource> body, Slot slot,
               FailureText failure, std::optional<BodyDigest> digest)
      : slot_(std::move(slot)),
        body_(std::move(body)),
        failure_(std::move(failure)),
        digest_(std::move(digest)) {}

  void Start(std::function<void()> wake) override {
    body_->Start(std::move(wake));
  }
  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override {
    const std::size_t before = piece->size();
    auto step = body_->Next(piece, std::min(max_bytes, kPieceBytes));
    if (step.ok() && digest_) {
      const Status status = Check(std::string_view(*piece).substr(before),
                                  *step == net::BodyStep::kDone);
      if (!status.ok()) {
        piece->resize(before);
        step = status;
      }
    }
    if (!step.ok() && !has_begun_) return failure_(step.status());
    has_begun_ = has_begun_ || piece->size() > before;
    return step;
  }

 private:
  Status Check(std::string_view bytes, bool is_done) {
    hash_.Update(bytes);
    taken_ += bytes.size();
    if (!is_done && taken_ < digest_->bytes) return OkStatus();
    const bool is_it = hash_.Hex() == digest_->sha256;
    digest_.reset();
    return is_it ? OkStatus()
                 : DataLoss(
                       "it is not what its SHA-256 says: it was changed, "
                       "or damaged on its way");
  }

  const Slot slot_;
  const std::unique_ptr<net::BodySource> body_;
  const FailureText failure_;
  std::optional<BodyDigest> digest_;  // until it was compared
  evidence::Sha256 hash_;
  std::uint64_t taken_ = 0;
  bool has_begun_ = false;
};

}  // namespace fodc::api
