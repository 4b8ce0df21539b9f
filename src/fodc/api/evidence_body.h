// SPDX-License-Identifier: Apache-2.0
// A body of evidence on its way from an agent to a client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "fodc/api/slots.h"
#include "fodc/net/http_message.h"

namespace fodc::api {

// What is shown of a failure before the first byte.
using FailureText = std::function<Status(const Status&)>;

// Passes on what `body` gives when it is asked, and holds nothing of it.
class EvidenceBody final : public net::BodySource {
 public:
  // `slot` lives as long as the body.
  EvidenceBody(std::unique_ptr<net::BodySource> body, Slot slot,
               FailureText failure)
      : slot_(std::move(slot)),
        body_(std::move(body)),
        failure_(std::move(failure)) {}

  void Start(std::function<void()> wake) override {
    body_->Start(std::move(wake));
  }
  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override {
    auto step = body_->Next(piece, max_bytes);
    if (!step.ok() && !has_begun_) return failure_(step.status());
    has_begun_ = has_begun_ || !piece->empty();
    return step;
  }

 private:
  const Slot slot_;
  const std::unique_ptr<net::BodySource> body_;
  const FailureText failure_;
  bool has_begun_ = false;
};

}  // namespace fodc::api
