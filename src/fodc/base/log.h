// SPDX-License-Identifier: Apache-2.0
// One event, one line: a fixed message and key=value pairs. This is the
// interface; the programs install a sink (room `program`), libraries only call.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc {

// ERROR: an operator must act. WARN: degraded but serving. INFO: life-cycle
// and configuration, a few lines an hour. DEBUG: off.
enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

std::string_view LogLevelName(LogLevel level);  // "debug", "info", ...

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const Status& v) : key(k), value(v.ToString()) {}
  LogField(std::string_view k, bool v)
      : key(k), value(v ? "true" : "false"), is_literal(true) {}
  template <std::integral T>
  LogField(std::string_view k, T v)
      : key(k), value(std::to_string(v)), is_literal(true) {}
  LogField(std::string_view k, double v);

  std::string_view key;  // a literal; snake_case, with its unit
  std::string value;
  bool is_literal = false;  // a number or boolean: JSON writes it unquoted
};

// Receives every event of the process at or above its level.
// Thread-safe; must not block and must not log.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(LogLevel level, std::string_view message,
                     std::span<const LogField> fields) = 0;
};

// Installs the sink of the process and returns the one before. Without one,
// logfmt lines go to standard error. Not for use while others log.
std::unique_ptr<LogSink> SetLogSink(std::unique_ptr<LogSink> sink);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields);
// For fields that are known only when it runs.
void Log(LogLevel level, std::string_view message,
         std::span<const LogField> fields);

inline void LogDebug(std::string_view m,
                     std::initializer_list<LogField> f = {}) {
  if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, m, f);
}
inline void LogInfo(std::string_view m,
                    std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kInfo, m, f);
}
inline void LogWarn(std::string_view m,
                    std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kWarn, m, f);
}
inline void LogError(std::string_view m,
                     std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kError, m, f);
}

// `level=info msg="agent started" addr=":9090"`, without a line feed.
std::string FormatLogfmt(LogLevel level, std::string_view message,
                         std::span<const LogField> fields);
// `{"level":"info","msg":"agent started","addr":":9090"}`. Bytes that are no
// UTF-8 become U+FFFD.
std::string FormatLogJson(LogLevel level, std::string_view message,
                          std::span<const LogField> fields);

}  // namespace fodc
