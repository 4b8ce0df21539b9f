// SPDX-License-Identifier: Apache-2.0
// Standard output, buffered, with errors that are not swallowed.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::ctl {

// Where commands write. Not thread-safe.
class Output {
 public:
  virtual ~Output() = default;
  // Errors: as write(2); after one, everything more is refused with it.
  virtual Status Append(std::string_view bytes) = 0;
  virtual Status Flush() = 0;
};

// Writes to a descriptor that the caller keeps open.
class FdOutput final : public Output {
 public:
  FdOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  Status Append(std::string_view bytes) override;
  Status Flush() override;

 private:
  int fd_;
  std::string name_;
  std::string buffer_;
  Status status_;
};

class StringOutput final : public Output {
 public:
  Status Append(std::string_view bytes) override {
    text.append(bytes);
    return OkStatus();
  }
  Status Flush() override { return OkStatus(); }
  std::string text;
};

}  // namespace fodc::ctl
