// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/log.h"

#include <unistd.h>

#include <atomic>
#include <charconv>

#include "fodc/base/strings.h"

namespace fodc {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogSink*> g_sink{nullptr};

bool NeedsQuotes(std::string_view v) {
  if (v.empty()) return true;
  for (const char c : v) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return false;
}

void AppendLogfmtValue(std::string* out, std::string_view v) {
  if (!NeedsQuotes(v)) {
    *out += v;
    return;
  }
  *out += '"';
  for (const char c : v) {
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\r':
        *out += "\\r";
        break;
      default:
        *out += static_cast<unsigned char>(c) < ' ' ? '?' : c;
    }
  }
  *out += '"';
}

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

LogField::LogField(std::string_view k, double v) : key(k), is_literal(true) {
  char buffer[32];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  value.assign(buffer, r.ptr);
  // JSON has no NaN and no infinities.
  if (value.find_first_of("ni") != std::string::npos) is_literal = false;
}

std::unique_ptr<LogSink> SetLogSink(std::unique_ptr<LogSink> sink) {
  return std::unique_ptr<LogSink>(g_sink.exchange(sink.release()));
}

void SetLogLevel(LogLevel level) { g_level = level; }
bool LogEnabled(LogLevel level) { return level >= g_level.load(); }

void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields) {
  Log(level, message, std::span(fields.begin(), fields.size()));
}

void Log(LogLevel level, std::string_view message,
         std::span<const LogField> fields) {
  if (!LogEnabled(level)) return;
  if (LogSink* sink = g_sink.load()) {
    sink->Write(level, message, fields);
    return;
  }
  std::string line = FormatLogfmt(level, message, fields);
  line += '\n';
  // A lost line of a process without a sink is no reason to fail.
  [[maybe_unused]] const auto n =
      ::write(STDERR_FILENO, line.data(), line.size());
}

std::string FormatLogfmt(LogLevel level, std::string_view message,
                         std::span<const LogField> fields) {
  std::string out = "level=";
  out += LogLevelName(level);
  out += " msg=";
  AppendLogfmtValue(&out, message);
  for (const LogField& f : fields) {
    out += ' ';
    out += f.key;
    out += '=';
    AppendLogfmtValue(&out, f.value);
  }
  return out;
}

std::string FormatLogJson(LogLevel level, std::string_view message,
                          std::span<const LogField> fields) {
  std::string out = "{\"level\":\"";
  out += LogLevelName(level);
  out += "\",\"msg\":";
  AppendJsonString(&out, message);
  for (const LogField& f : fields) {
    out += ',';
    AppendJsonString(&out, f.key);
    out += ':';
    if (f.is_literal) {
      out += f.value;
    } else {
      AppendJsonString(&out, f.value);
    }
  }
  out += '}';
  return out;
}

}  // namespace fodc
