// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/scrape_error.h"

#include "fodc/base/strings.h"
#include "fodc/exposition/format.h"

namespace fodc::collect {

std::string_view ScrapeErrorName(ScrapeError error) {
  switch (error) {
    case ScrapeError::kNone:
      return "none";
    case ScrapeError::kUnreachable:
      return "unreachable";
    case ScrapeError::kDeadline:
      return "deadline";
    case ScrapeError::kTooLarge:
      return "too_large";
    case ScrapeError::kBadEncoding:
      return "bad_encoding";
    case ScrapeError::kRedirect:
      return "redirect";
    case ScrapeError::kHttpStatus:
      return "http_status";
    case ScrapeError::kContentType:
      return "content_type";
    case ScrapeError::kOther:
      break;
  }
  return "other";
}

ScrapeError Classify(const net::HttpClientResult& result, Status* why) {
  *why = result.status;
  switch (result.status.code()) {
    case Code::kOk:
      break;
    case Code::kUnavailable:
      return ScrapeError::kUnreachable;
    case Code::kDeadlineExceeded:
      return ScrapeError::kDeadline;
    case Code::kResourceExhausted:
      return ScrapeError::kTooLarge;
    case Code::kDataLoss:
      return ScrapeError::kBadEncoding;
    case Code::kFailedPrecondition:
      return ScrapeError::kRedirect;
    default:
      return ScrapeError::kOther;
  }
  if (result.http_status != 200) {
    *why = Unavailable(StrCat("HTTP status ", result.http_status));
    return ScrapeError::kHttpStatus;
  }
  if (!exposition::FormatOfContentType(result.content_type)) {
    *why = InvalidArgument(StrCat(
        "content type \"", ToValidUtf8(result.content_type.substr(0, 200)),
        "\" is neither text/plain nor application/openmetrics-text"));
    return ScrapeError::kContentType;
  }
  return ScrapeError::kNone;
}

}  // namespace fodc::collect
