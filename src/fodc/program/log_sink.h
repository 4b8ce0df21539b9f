// SPDX-License-Identifier: Apache-2.0
// Where the programs' log lines go: a bounded queue, then standard error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/log.h"
#include "fodc/base/status.h"
#include "fodc/program/flags.h"

namespace fodc::program {

// "debug", "info", "warn", "error". Errors: kInvalidArgument naming the text.
Result<LogLevel> ParseLogLevel(std::string_view text);

struct LogOptions {
  std::string format = "logfmt";  // or "json"
  std::string level = "info";
  // Lines that wait for the writing thread; beyond, the oldest are dropped.
  std::size_t queue_lines = 8192;
  int fd = 2;  // not owned
};

// A LogSink whose Write never waits for the output. One thread of its own
// writes, for a full pipe may block for any time. What is dropped is counted,
// and a line says so once there is room.
class AsyncLogSink final : public LogSink {
 public:
  explicit AsyncLogSink(const LogOptions& options);
  // Writes what waits.
  ~AsyncLogSink() override;
  AsyncLogSink(const AsyncLogSink&) = delete;
  AsyncLogSink& operator=(const AsyncLogSink&) = delete;

  void Write(LogLevel level, std::string_view message,
             std::span<const LogField> fields) override;
  std::uint64_t dropped() const;  // lines, since the start

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Declares --log-format and --log-level.
void AddLogFlags(Flags* flags, LogOptions* options);

// Makes such a sink the process's and sets the level; at its end the sink from
// before is back, and what waited is written. Make it in main and destroy it
// last.
class ScopedLog {
 public:
  explicit ScopedLog(const LogOptions& options);
  ~ScopedLog();
  ScopedLog(const ScopedLog&) = delete;
  ScopedLog& operator=(const ScopedLog&) = delete;

 private:
  std::unique_ptr<LogSink> previous_;
};

// Lines that a full queue dropped; 0 without a ScopedLog. Thread-safe, while
// that lives.
std::uint64_t LogLinesDropped();

// One line with what was given, and one at debug with the defaults of the rest;
// secrets masked.
void LogEffectiveValues(const Flags& flags);

}  // namespace fodc::program
