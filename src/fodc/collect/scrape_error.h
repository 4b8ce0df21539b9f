// SPDX-License-Identifier: Apache-2.0
// Why a scrape gave no page, in a word that a metric can carry.
#pragma once

#include <cstdint>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/net/http_client.h"

namespace fodc::collect {

enum class ScrapeError : std::uint8_t {
  kNone,
  kUnreachable,  // refused, reset, unknown name
  kDeadline,     // no whole answer in time
  kTooLarge,     // beyond --max-page-bytes, packed or unpacked
  kBadEncoding,  // gzip garbage, cut short, not HTTP
  kRedirect,
  kHttpStatus,   // any other code than 200
  kContentType,  // a page, but no text exposition
  kOther,
};
inline constexpr std::size_t kScrapeErrors = 9;

// "none", "unreachable", "deadline", ...
std::string_view ScrapeErrorName(ScrapeError error);

// kNone for a 200 with a page. `*why` is a sentence that names the limit or
// the answer.
ScrapeError Classify(const net::HttpClientResult& result, Status* why);

}  // namespace fodc::collect
