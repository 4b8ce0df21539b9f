// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/listing.h"

#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

// A store may give a page without keys, and a token.
constexpr std::size_t kMostEmptyPages = 1000;

}  // namespace

Result<std::optional<object_store::ObjectInfo>> Listing::Next() {
  while (at_ == page_.objects.size()) {
    if (is_begun_ && page_.next_token.empty())
      return std::optional<object_store::ObjectInfo>();
    if (stop_.stop_requested()) return Cancelled("stopped");
    request_.token = page_.next_token;
    FODC_ASSIGN_OR_RETURN(page_, store_.List(request_, stop_));
    is_begun_ = true;
    at_ = 0;
    empty_pages_ = page_.objects.empty() ? empty_pages_ + 1 : 0;
    if (empty_pages_ > kMostEmptyPages) {
      return DataLoss(StrCat(store_.name(), ": list ", request_.prefix, ": ",
                             empty_pages_, " pages without a key"));
    }
  }
  object_store::ObjectInfo& info = page_.objects[at_++];
  if (!info.key.starts_with(request_.prefix) ||
      (!last_.empty() && info.key <= last_)) {
    return DataLoss(StrCat(store_.name(), ": list ", request_.prefix, ": ",
                           ToValidUtf8(info.key), " comes behind ",
                           ToValidUtf8(last_)));
  }
  last_ = info.key;
  return std::optional(std::move(info));
}

}  // namespace fodc::backup
