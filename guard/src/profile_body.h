// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/gzip.h"

namespace fodc::guard {

// An answer of HTTP whose length is not known before: gathered into pieces of
// 16 KiB, in chunks if the client knows them, else ended by closing. Its head
// is sent with the first piece, so that an error before can still be told as
// one.
class ProfileBody {
 public:
  ProfileBody(std::string_view name, bool is_text, bool is_chunked,
              pprof::Sink send)
      : is_chunked_(is_chunked), send_(std::move(send)) {
    head_ = StrCat(
        "HTTP/1.1 200 OK\r\nContent-Type: ",
        is_text ? "text/plain; charset=utf-8" : "application/octet-stream",
        is_text ? ""
                : StrCat("\r\nContent-Disposition: attachment; filename=\"",
                         name, "\""),
        "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n",
        is_chunked ? "Transfer-Encoding: chunked\r\n" : "",
        "Connection: close\r\n\r\n");
  }

  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view piece =
          bytes.substr(0, kPieceBytes - held_.size());
      held_ += piece;
      bytes.remove_prefix(piece.size());
      if (held_.size() == kPieceBytes) FODC_RETURN_IF_ERROR(Flush());
    }
    return OkStatus();
  }

  Status Finish() {
    FODC_RETURN_IF_ERROR(Flush());
    return is_chunked_ ? send_("0\r\n\r\n") : OkStatus();
  }

  // Whether the client has got any of it.
  bool has_begun() const { return has_begun_; }

 private:
  static constexpr std::size_t kPieceBytes = 16 * 1024;

  Status Flush() {
    std::string out = std::exchange(head_, {});
    if (!held_.empty()) {
      if (is_chunked_) out += StrCat(Hex(held_.size()), "\r\n");
      out += held_;
      if (is_chunked_) out += "\r\n";
    }
    held_.clear();
    has_begun_ = true;
    return send_(out);
  }

  static std::string Hex(std::size_t n) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (; n > 0; n /= 16) text.insert(text.begin(), kDigits[n % 16]);
    return text;
  }

  const bool is_chunked_;
  const pprof::Sink send_;
  std::string head_;
  std::string held_;
  bool has_begun_ = false;
};

}  // namespace fodc::guard
