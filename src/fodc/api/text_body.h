// SPDX-License-Identifier: Apache-2.0
// Answers that are written piece by piece, so that the loop stays free.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_message.h"

namespace fodc::api {

// A body whose text is written piece by piece by `Text::Append`.
template <typename Text>
class TextBody final : public net::BodySource {
 public:
  // `keep` lives as long as the text.
  TextBody(net::EventLoop& loop, std::shared_ptr<void> keep,
           std::unique_ptr<Text> text)
      : loop_(loop), keep_(std::move(keep)), text_(std::move(text)) {}

  void Start(std::function<void()> wake) override { wake_ = std::move(wake); }
  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override {
    const bool more = text_->Append(piece, max_bytes);
    if (!more) return net::BodyStep::kDone;
    if (!piece->empty()) return net::BodyStep::kMore;
    // It is still finding out: let others have the loop.
    loop_.Post([wake = wake_] { wake(); });
    return net::BodyStep::kWait;
  }

 private:
  net::EventLoop& loop_;
  const std::shared_ptr<void> keep_;
  const std::unique_ptr<Text> text_;
  std::function<void()> wake_;
};

// `keep` lives as long as the answer.
template <typename Text>
net::HttpResponse StreamText(net::EventLoop& loop, std::shared_ptr<void> keep,
                             std::string_view content_type,
                             std::unique_ptr<Text> text) {
  net::HttpResponse response;
  response.content_type = content_type;
  response.source =
      std::make_unique<TextBody<Text>>(loop, std::move(keep), std::move(text));
  return response;
}

}  // namespace fodc::api
