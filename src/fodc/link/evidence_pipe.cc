// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/evidence_pipe.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {

using net::BodyStep;

class EvidencePipe::PipeBody final : public net::BodySource {
 public:
  explicit PipeBody(std::shared_ptr<EvidencePipe> pipe)
      : pipe_(std::move(pipe)) {}
  ~PipeBody() override { pipe_->Abandon(); }
  void Start(std::function<void()> wake) override {
    pipe_->wake_ = std::move(wake);
  }
  Result<BodyStep> Next(std::string* piece, std::size_t max_bytes) override {
    return pipe_->Next(piece, max_bytes);
  }

 private:
  const std::shared_ptr<EvidencePipe> pipe_;
};

EvidencePipe::EvidencePipe(const Clock& clock,
                           std::optional<std::uint64_t> expected)
    : clock_(clock), expected_(expected) {}

std::unique_ptr<net::BodySource> EvidencePipe::Body(
    std::shared_ptr<EvidencePipe> pipe) {
  return std::make_unique<PipeBody>(std::move(pipe));
}

void EvidencePipe::Listen(std::function<void()> taken,
                          std::function<void()> abandoned) {
  taken_ = std::move(taken);
  abandoned_ = std::move(abandoned);
}

void EvidencePipe::Push(std::string bytes) {
  if (is_over_ || bytes.empty()) return;
  received_ += bytes.size();
  if (expected_ && received_ > *expected_) {
    Fail(DataLoss(StrCat("the agent sends more than the ", *expected_,
                         " bytes that it told of")));
    return;
  }
  buffered_ += bytes.size();
  pieces_.push_back(std::move(bytes));
  Wake();
}

void EvidencePipe::End() {
  if (is_over_) return;
  if (expected_ && received_ != *expected_) {
    Fail(DataLoss(
        StrCat("the agent sent ", received_, " bytes of ", *expected_)));
    return;
  }
  is_over_ = true;
  Wake();
}

void EvidencePipe::Fail(const Status& status) {
  if (is_over_) return;
  is_over_ = true;
  failure_ = status;
  pieces_.clear();
  received_ -= buffered_;
  buffered_ = 0;
  Wake();
}

void EvidencePipe::Wake() {
  hungry_since_.reset();
  if (wake_) wake_();
}

void EvidencePipe::Abandon() {
  wake_ = nullptr;
  const auto abandoned = std::exchange(abandoned_, nullptr);
  taken_ = nullptr;
  if (is_over_) return;
  Fail(Cancelled("nobody reads it any more"));
  if (abandoned) abandoned();
}

Result<BodyStep> EvidencePipe::Next(std::string* piece, std::size_t max_bytes) {
  if (!failure_.ok()) return failure_;
  while (!pieces_.empty() && piece->size() < max_bytes) {
    std::string& front = pieces_.front();
    const std::size_t left = front.size() - offset_;
    // As much as a body may give at once is given without a copy.
    const std::size_t size =
        offset_ == 0 && piece->empty() && left <= 4 * max_bytes
            ? left
            : std::min(left, max_bytes - piece->size());
    buffered_ -= size;
    if (size == front.size() && piece->empty()) {
      *piece = std::move(front);
    } else {
      piece->append(front, offset_, size);
    }
    offset_ += size;
    if (size == left) {
      pieces_.pop_front();
      offset_ = 0;
    }
  }
  if (pieces_.empty() && is_over_) return BodyStep::kDone;
  if (piece->empty()) {
    if (!hungry_since_) hungry_since_ = clock_.Monotonic();
    return BodyStep::kWait;
  }
  if (!is_over_ && taken_) taken_();
  return BodyStep::kMore;
}

}  // namespace fodc::link
