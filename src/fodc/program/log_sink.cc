// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/log_sink.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::program {
namespace {

std::string Format(bool json, LogLevel level, std::string_view message,
                   std::span<const LogField> fields) {
  return json ? FormatLogJson(level, message, fields)
              : FormatLogfmt(level, message, fields);
}

// Writes the payload, a line made by the caller's thread, with the moment of
// the call in front. On the writing thread alone.
class FdSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FdSink(int fd, bool json, spdlog::details::thread_pool* pool)
      : fd_(fd), json_(json), pool_(pool) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    // Told here and not by the callers: this line needs no place in the queue.
    const std::uint64_t dropped = pool_->overrun_counter();
    if (dropped > told_) {
      const LogField fields[] = {{"lines", dropped - told_},
                                 {"total_lines", dropped}};
      WriteLine(msg.time,
                Format(json_, LogLevel::kWarn, "log lines dropped", fields));
      told_ = dropped;
    }
    WriteLine(msg.time, {msg.payload.data(), msg.payload.size()});
  }
  void flush_() override {}

 private:
  void WriteLine(std::chrono::system_clock::time_point time,
                 std::string_view text) {
    const std::string stamp = FormatRfc3339(
        UnixTime(std::chrono::duration_cast<std::chrono::nanoseconds>(
            time.time_since_epoch())),
        3);
    const std::string line =
        json_ ? StrCat("{\"time\":\"", stamp, "\",", text.substr(1), "\n")
              : StrCat("time=", stamp, " ", text, "\n");
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t n = ::write(fd_, rest.data(), rest.size());
      if (n > 0) {
        rest.remove_prefix(static_cast<std::size_t>(n));
      } else if (n == 0 || errno != EINTR) {
        return;  // nobody reads the log: no reason to fail
      }
    }
  }

  const int fd_;
  const bool json_;
  spdlog::details::thread_pool* const pool_;  // whose thread this runs on
  std::uint64_t told_ = 0;                    // drops that a line has told of
};

}  // namespace

struct AsyncLogSink::Impl {
  bool json = false;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

AsyncLogSink::AsyncLogSink(const LogOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->json = options.format == "json";
  impl_->pool =
      std::make_shared<spdlog::details::thread_pool>(options.queue_lines, 1);
  impl_->logger = std::make_shared<spdlog::async_logger>(
      "fodc",
      std::make_shared<FdSink>(options.fd, impl_->json, impl_->pool.get()),
      impl_->pool, spdlog::async_overflow_policy::overrun_oldest);
}

AsyncLogSink::~AsyncLogSink() {
  // Writes what waits and joins the thread, before the logger that it uses.
  impl_->pool.reset();
}

void AsyncLogSink::Write(LogLevel level, std::string_view message,
                         std::span<const LogField> fields) {
  const std::string line = Format(impl_->json, level, message, fields);
  impl_->logger->log(spdlog::level::info,
                     spdlog::string_view_t(line.data(), line.size()));
}

std::uint64_t AsyncLogSink::dropped() const {
  return impl_->pool->overrun_counter();
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (EqualsIgnoreCase(text, LogLevelName(level))) return level;
  }
  return InvalidArgument(StrCat("\"", ToValidUtf8(text),
                                "\" is not one of debug,info,warn,error"));
}

void AddLogFlags(Flags* flags, LogOptions* options) {
  flags->String("log-format", &options->format, "form of the log: logfmt, json")
      .OneOf({"logfmt", "json"});
  flags
      ->String("log-level", &options->level,
               "least level that is logged: debug, info, warn, error")
      .Check([](const std::string& value) {
        return ParseLogLevel(value).status();
      });
}

namespace {
std::atomic<const AsyncLogSink*> scoped_sink = nullptr;
}  // namespace

std::uint64_t LogLinesDropped() {
  const AsyncLogSink* const sink = scoped_sink;
  return sink != nullptr ? sink->dropped() : 0;
}

ScopedLog::ScopedLog(const LogOptions& options) {
  auto sink = std::make_unique<AsyncLogSink>(options);
  scoped_sink = sink.get();
  SetLogLevel(ParseLogLevel(options.level).value_or(LogLevel::kInfo));
  previous_ = SetLogSink(std::move(sink));
}

ScopedLog::~ScopedLog() {
  scoped_sink = nullptr;
  SetLogLevel(LogLevel::kInfo);
  (void)SetLogSink(std::move(previous_));
}

void LogEffectiveValues(const Flags& flags) {
  std::string given;
  std::string defaults;
  for (const EffectiveValue& v : flags.EffectiveValues()) {
    const bool is_given = v.source != "default";
    std::string& text = is_given ? given : defaults;
    if (!text.empty()) text += ' ';
    text += StrCat("--", v.name, '=', v.value);
    if (is_given) text += StrCat(" (", v.source, ")");
  }
  LogInfo("flags given", {{"flags", given}});
  LogDebug("flags at their defaults", {{"flags", defaults}});
}

}  // namespace fodc::program
