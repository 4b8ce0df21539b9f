// SPDX-License-Identifier: Apache-2.0
// How many answers of one kind are at work at a time: each holds what it shows,
// however slowly its reader takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/http_message.h"

namespace fodc::api {

// Held by an answer for as long as it is at work.
using Slot = std::shared_ptr<void>;

// The loop only.
class Slots : public std::enable_shared_from_this<Slots> {
 public:
  // `what`: the answers, for people: "pages".
  Slots(std::string_view what, std::size_t limit)
      : what_(what), limit_(limit) {}

  // Null beyond the limit. `keep` lives as long as the slot.
  Slot Take(std::shared_ptr<void> keep) {
    if (open_ >= limit_) {
      ++refused_;
      return nullptr;
    }
    ++open_;
    return {this, [self = shared_from_this(), keep = std::move(keep)](void*) {
              --self->open_;
            }};
  }
  // What those get who got none.
  net::HttpResponse Busy() const {
    net::HttpResponse response = net::TextError(
        503,
        StrCat("too many ", what_, " are being read; the limit is ", limit_));
    response.headers.emplace_back("Retry-After", "5");
    return response;
  }
  std::uint64_t refused() const { return refused_; }

 private:
  const std::string what_;
  const std::size_t limit_;
  std::size_t open_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace fodc::api
