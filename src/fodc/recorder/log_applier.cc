// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/log_applier.h"

#include <utility>

#include "fodc/base/strings.h"
#include "fodc/recorder/recording.h"

namespace fodc::recorder {

Status LogApplier::operator()(const LogEntry& entry) {
  ++entries_;
  Status status = recording_.ApplyOverGap(entry);
  if (!status.ok() && refused_++ == 0) first_refusal_ = std::move(status);
  return OkStatus();
}

std::string LogApplier::Refusals() const {
  return StrCat(refused_, " of ", entries_,
                " entries refused, the first: ", first_refusal_.message());
}

}  // namespace fodc::recorder
