// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/kept_row.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fodc/base/kept_text.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"

namespace fodc::target {
namespace {

constexpr std::string_view kHead = "fodc-targets 1\n";
constexpr std::size_t kMaxRows = 65536;
constexpr std::uint64_t kMostMs = std::uint64_t{1} << 50;  // a double has it

// One line, whatever the text holds.
std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

template <typename T>
void Put(std::string* out, std::string_view key, const T& value) {
  *out += StrCat(key, ' ', value, '\n');
}

// Whole milliseconds of a time that any clock shows.
std::optional<UnixTime> ToTime(std::int64_t ms) {
  constexpr std::int64_t kMost =
      std::numeric_limits<std::int64_t>::max() / 1'000'000;
  if (ms < -kMost || ms > kMost) return std::nullopt;
  return UnixTime(std::chrono::milliseconds(ms));
}

// What one line says of the row. False if its value is none.
bool Take(std::string_view key, std::string_view value, KeptRow* row) {
  const auto process = [row]() -> KeptProcess& {
    return row->process ? *row->process : row->process.emplace();
  };
  const auto number = [value](std::uint64_t* out) {
    const auto n = ParseUint(value);
    if (n) *out = *n;
    return n.has_value();
  };
  const auto time = [value](auto* out) {
    const auto ms = ParseInt(value);
    const auto t = ms ? ToTime(*ms) : std::nullopt;
    if (t) *out = *t;
    return t.has_value();
  };
  const auto small = [value](auto* out) {
    const auto n = ParseUint(value);
    const bool fits = n && *n <= std::numeric_limits<int>::max();
    if (fits) *out = static_cast<int>(*n);
    return fits;
  };
  if (key == "deaths") return number(&row->deaths_total);
  if (key == "restarts") return number(&row->restarts_total);
  if (key == "alive_ticks") return number(&row->last_alive_ticks);
  if (key == "death_at_ms") return time(&row->last_death_at);
  if (key == "exit_signal") return small(&row->last_exit.signal);
  if (key == "exit_status") return small(&row->last_exit.status);
  if (key == "pid") return small(&process().pid);
  if (key == "pid_namespace") return number(&process().pid_namespace);
  if (key == "start_ticks") return number(&process().start_ticks);
  if (key == "started_at_ms") return time(&process().started_at);
  if (key == "death_uptime_ms") {
    std::uint64_t ms = 0;
    if (!number(&ms) || ms > kMostMs) return false;
    row->last_uptime_seconds = static_cast<double>(ms) / 1e3;
  } else if (key == "comm") {
    process().comm = Unescape(value);
  } else if (key == "boot") {
    row->boot_id = Unescape(value);
  } else if (key == "pod") {
    row->pod = Unescape(value);
  } else if (key == "down") {
    row->has_died = value == "1";
  }
  return true;
}

}  // namespace

std::uint64_t SeenAliveTicks(const KeptRow& kept) {
  if (!kept.process || !kept.process->uptime_seconds)
    return kept.last_alive_ticks;
  const auto hz = static_cast<double>(ClockTicksPerSecond());
  return std::max(
      kept.last_alive_ticks,
      kept.process->start_ticks +
          static_cast<std::uint64_t>(*kept.process->uptime_seconds * hz));
}

std::string EncodeKeptRows(const std::vector<KeptRow>& rows) {
  std::string out;
  for (const KeptRow& r : rows) {
    Put(&out, "target", Escape(r.name));
    if (!r.pod.empty()) Put(&out, "pod", Escape(r.pod));
    Put(&out, "deaths", r.deaths_total);
    Put(&out, "restarts", r.restarts_total);
    // What reading would refuse is left out: it would cost the whole file.
    if (r.last_uptime_seconds && *r.last_uptime_seconds >= 0 &&
        *r.last_uptime_seconds * 1e3 <= static_cast<double>(kMostMs)) {
      Put(&out, "death_uptime_ms", std::llround(*r.last_uptime_seconds * 1e3));
    }
    if (r.last_death_at && ToTime(ToUnixMillis(*r.last_death_at)))
      Put(&out, "death_at_ms", ToUnixMillis(*r.last_death_at));
    if (r.last_exit.signal.value_or(-1) >= 0)
      Put(&out, "exit_signal", *r.last_exit.signal);
    if (r.last_exit.status.value_or(-1) >= 0)
      Put(&out, "exit_status", *r.last_exit.status);
    if (r.has_died) Put(&out, "down", 1);
    Put(&out, "boot", Escape(r.boot_id));
    Put(&out, "alive_ticks", r.last_alive_ticks);
    if (!r.process || r.process->pid < 0) continue;
    Put(&out, "pid", r.process->pid);
    if (r.process->pid_namespace != 0)
      Put(&out, "pid_namespace", r.process->pid_namespace);
    Put(&out, "start_ticks", r.process->start_ticks);
    if (ToTime(ToUnixMillis(r.process->started_at)))
      Put(&out, "started_at_ms", ToUnixMillis(r.process->started_at));
    Put(&out, "comm", Escape(r.process->comm));
  }
  return SealText(kHead, out);
}

Result<std::vector<KeptRow>> DecodeKeptRows(std::string_view text) {
  FODC_ASSIGN_OR_RETURN(std::string_view rest, UnsealText(kHead, text));
  std::vector<KeptRow> rows;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) {
      return DataLoss("a line has no value");
    }
    const std::string_view key = line.substr(0, blank);
    const std::string_view value = line.substr(blank + 1);
    if (key == "target") {
      if (rows.size() == kMaxRows) return DataLoss("too many targets");
      rows.emplace_back().name = Unescape(value);
    } else if (rows.empty() || !Take(key, value, &rows.back())) {
      return DataLoss(StrCat("\"", ToValidUtf8(line), "\" is out of place"));
    }
  }
  return rows;
}

}  // namespace fodc::target
