// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/output.h"

#include "fodc/base/file.h"

namespace fodc::ctl {
namespace {
constexpr std::size_t kBufferBytes = 256u << 10;
}  // namespace

Status FdOutput::Append(std::string_view bytes) {
  FODC_RETURN_IF_ERROR(status_);
  buffer_.append(bytes);
  return buffer_.size() < kBufferBytes ? OkStatus() : Flush();
}

Status FdOutput::Flush() {
  FODC_RETURN_IF_ERROR(status_);
  status_ = WriteAll(fd_, buffer_, name_);
  buffer_.clear();
  return status_;
}

}  // namespace fodc::ctl
