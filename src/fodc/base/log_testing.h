// SPDX-License-Identifier: Apache-2.0
// For tests: the log's lines.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/log.h"
#include "fodc/base/mutex.h"

namespace fodc {

// Keeps the lines that are logged while it lives.
class LogCapture {
 public:
  LogCapture() {
    auto sink = std::make_unique<Sink>();
    sink_ = sink.get();
    before_ = SetLogSink(std::move(sink));
  }
  ~LogCapture() { SetLogSink(std::move(before_)); }

  std::vector<std::string> Lines(std::string_view with) const {
    MutexLock lock(sink_->mutex);
    std::vector<std::string> found;
    for (const std::string& line : sink_->lines) {
      if (line.find(with) != std::string::npos) found.push_back(line);
    }
    return found;
  }

 private:
  struct Sink final : LogSink {
    void Write(LogLevel level, std::string_view message,
               std::span<const LogField> fields) override {
      MutexLock lock(mutex);
      lines.push_back(FormatLogfmt(level, message, fields));
    }
    mutable Mutex mutex;
    std::vector<std::string> lines FODC_GUARDED_BY(mutex);
  };
  Sink* sink_;
  std::unique_ptr<LogSink> before_;
};

}  // namespace fodc
