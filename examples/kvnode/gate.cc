// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/gate.h"

#include <chrono>
#include <utility>

#include "fodc/base/strings.h"

namespace kvnode {

namespace guard = fodc::guard;
using fodc::Result;
using fodc::net::HttpRequest;
using fodc::net::HttpResponse;

guard::SlotOptions GateSlots(unsigned slots) {
  return {.slots = slots,
          .classes = {{.name = "stream_read", .weight = 2},
                      {.name = "scan", .weight = 1}}};
}

HttpResponse Refused(guard::Refusal refusal) {
  const int status = guard::HttpStatusOf(refusal);
  const bool too_large = status == guard::kTooLargeStatus;
  HttpResponse r = fodc::net::TextError(
      status,
      fodc::StrCat(too_large ? guard::kTooLargeCode : guard::kSlowDownCode,
                   ": ", guard::RefusalName(refusal)));
  if (!too_large) r.headers.emplace_back("Retry-After", "1");
  r.close = true;
  return r;
}

void Gate::BeginSecond() {
  const fodc::MonotonicTime now = clock_.Monotonic();
  if (now - second_begin_ < std::chrono::seconds(1)) return;
  second_begin_ = now;
  refusals_.clear();
}

Result<std::shared_ptr<void>> Gate::Connect(const std::string& peer_address) {
  BeginSecond();
  const auto refused = refusals_.find(peer_address);
  if (refused != refusals_.end() && refused->second >= kMostRefusals) {
    held_back_->Add();
    return fodc::Unavailable("");
  }
  auto hold =
      std::make_shared<guard::PeerHold>(isolation_->Connect(peer_address));
  if (!hold->admitted()) {
    return fodc::Unavailable(hold->should_tell()
                                 ? std::string(guard::kConnectionsText)
                                 : std::string());
  }
  return std::shared_ptr<void>(std::move(hold));
}

std::optional<HttpResponse> Gate::Admit(
    HttpRequest* request, std::optional<std::uint64_t> body_bytes) {
  if (body_bytes == 0) return std::nullopt;
  if (!body_bytes) {
    // What is not declared cannot be taken before it is read.
    return fodc::net::TextError(411, "Length Required");
  }
  auto held =
      std::make_shared<guard::RequestBytes>(isolation_->BeginBytes(body_bytes));
  const guard::Refusal refusal = isolation_->TakeBytes(held.get(), *body_bytes);
  if (refusal != guard::Refusal::kNone) return Refused(refusal);
  request->held = std::move(held);
  return std::nullopt;
}

guard::HeavyWork Gate::AdmitHeavy(HeavyClass heavy,
                                  const HttpRequest& request) {
  // Without users an address is the identity that there is.
  guard::HeavyWork work =
      isolation_->Admit({.class_index = static_cast<std::size_t>(heavy),
                         .peer = request.peer_address});
  if (!work.admitted()) {
    BeginSecond();
    ++refusals_[request.peer_address];
  }
  return work;
}

}  // namespace kvnode
