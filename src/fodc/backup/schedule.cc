// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/schedule.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>

#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

constexpr std::time_t kMinute = 60;
constexpr std::time_t kHour = 3600;
constexpr std::time_t kFarthest = std::time_t{5} * 366 * 24 * kHour;

constexpr std::array<std::string_view, 13> kMonths = {
    "",    "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {
    "sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Descriptor {
  std::string_view name;
  std::string_view fields;
};
constexpr Descriptor kDescriptors[] = {
    {"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"}};

struct Field {
  std::string_view name;
  unsigned first;
  unsigned last;
  std::span<const std::string_view> words;
};

std::optional<unsigned> NumberOf(std::string_view text, const Field& field) {
  for (std::size_t i = 0; i < field.words.size(); ++i) {
    if (!field.words[i].empty() && EqualsIgnoreCase(text, field.words[i]))
      return static_cast<unsigned>(i);
  }
  const auto n = ParseUint(text);
  if (!n || *n < field.first || *n > field.last) return {};
  return static_cast<unsigned>(*n);
}

// "*", "a", "a-b", each with "/n": calls `set` for each number of it.
template <typename Set>
bool ReadPiece(std::string_view piece, const Field& field, const Set& set) {
  unsigned step = 1;
  const std::size_t slash = piece.find('/');
  if (slash != piece.npos) {
    const auto n = ParseUint(piece.substr(slash + 1));
    if (!n || *n == 0 || *n > field.last) return false;
    step = static_cast<unsigned>(*n);
    piece = piece.substr(0, slash);
  }
  unsigned from = field.first;
  unsigned to = field.last;
  if (piece != "*" && piece != "?") {
    const std::size_t dash = piece.find('-');
    const auto a = NumberOf(piece.substr(0, dash), field);
    const auto b =
        dash == piece.npos ? a : NumberOf(piece.substr(dash + 1), field);
    if (!a || !b || *a > *b) return false;
    from = *a;
    // "a/n" is from there to the end.
    to = dash == piece.npos && slash != piece.npos ? field.last : *b;
  }
  for (unsigned n = from; n <= to; n += step) set(n);
  return true;
}

template <typename Set>
Status ReadField(std::string_view text, const Field& field, const Set& set) {
  for (const std::string_view piece : Split(text, ',')) {
    if (!ReadPiece(piece, field, set)) {
      return InvalidArgument(StrCat("the ", field.name, " \"", text,
                                    "\" is none: ", field.first, " to ",
                                    field.last, ", '*', lists, ranges, steps"));
    }
  }
  return OkStatus();
}

std::tm Local(std::time_t t) {
  std::tm parts{};
  FODC_CHECK(::localtime_r(&t, &parts) != nullptr);
  return parts;
}

// That local time; a little later if the clock leaves it out.
std::time_t TimeOf(std::tm parts) {
  parts.tm_isdst = -1;
  return ::mktime(&parts);
}

std::tm Midnight(std::tm parts) {
  parts.tm_hour = 0;
  parts.tm_min = 0;
  parts.tm_sec = 0;
  return parts;
}

}  // namespace

Result<Schedule> Schedule::Parse(std::string_view whole) {
  Schedule s;
  std::string_view text = Trim(whole);
  if (ConsumePrefix(&text, "TZ=") || ConsumePrefix(&text, "CRON_TZ=")) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    s.zone_ = text.substr(0, blank);
    text = Trim(text.substr(blank));
    const bool is_name = std::ranges::all_of(
        s.zone_, [](char c) { return c > ' ' && c < 0x7f; });
    if (s.zone_.empty() || !is_name)
      return InvalidArgument("TZ= names no zone");
  }
  if (ConsumePrefix(&text, "@every ")) {
    FODC_ASSIGN_OR_RETURN(const auto every, ParseGoDuration(Trim(text)));
    s.every_ = std::chrono::duration_cast<std::chrono::seconds>(every);
    if (s.every_ < std::chrono::seconds(1))
      return InvalidArgument(StrCat("@every ", text, " is less than 1s"));
    // Beyond that times do not fit their numbers.
    if (s.every_.count() > kFarthest)
      return InvalidArgument(StrCat("@every ", text, " never comes"));
    return s;
  }
  for (const Descriptor& d : kDescriptors) {
    if (text == d.name) text = d.fields;
  }
  std::vector<std::string_view> fields;
  for (const std::string_view field : Split(text, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != 5) {
    return InvalidArgument(
        StrCat("the schedule \"", text, "\" has ", fields.size(),
               " fields; five are wanted, or one of @yearly, @monthly, @weekly,"
               " @daily, @hourly, @every DURATION"));
  }
  FODC_RETURN_IF_ERROR(ReadField(
      fields[0], {.name = "minute", .first = 0, .last = 59, .words = {}},
      [&s](unsigned n) { s.minutes_.set(n); }));
  FODC_RETURN_IF_ERROR(ReadField(
      fields[1], {.name = "hour", .first = 0, .last = 23, .words = {}},
      [&s](unsigned n) { s.hours_.set(n); }));
  FODC_RETURN_IF_ERROR(
      ReadField(fields[2], {.name = "day", .first = 1, .last = 31, .words = {}},
                [&s](unsigned n) { s.days_.set(n); }));
  FODC_RETURN_IF_ERROR(ReadField(
      fields[3], {.name = "month", .first = 1, .last = 12, .words = kMonths},
      [&s](unsigned n) { s.months_.set(n); }));
  FODC_RETURN_IF_ERROR(ReadField(
      fields[4],
      {.name = "day of the week", .first = 0, .last = 7, .words = kWeekdays},
      [&s](unsigned n) { s.weekdays_.set(n % 7); }));
  s.has_days_ = fields[2][0] != '*' && fields[2][0] != '?';
  s.has_weekdays_ = fields[4][0] != '*' && fields[4][0] != '?';
  // Any leap year is within the search.
  if (!s.Next(UnixTime(std::chrono::seconds(1'767'225'600))))
    return InvalidArgument(StrCat("the schedule \"", text, "\" never comes"));
  return s;
}

bool Schedule::IsDay(const std::tm& t) const {
  const bool by_day = days_[static_cast<std::size_t>(t.tm_mday)];
  const bool by_weekday = weekdays_[static_cast<std::size_t>(t.tm_wday)];
  return has_days_ && has_weekdays_ ? by_day || by_weekday
                                    : by_day && by_weekday;
}

std::optional<UnixTime> Schedule::Next(UnixTime after) const {
  if (every_.count() > 0) return after + every_;
  const std::time_t begin =
      std::chrono::duration_cast<std::chrono::seconds>(after.time_since_epoch())
          .count();
  std::time_t t = begin - Local(begin).tm_sec + kMinute;
  while (t - begin < kFarthest) {
    const std::tm parts = Local(t);
    std::time_t next = 0;
    if (!months_[static_cast<std::size_t>(parts.tm_mon) + 1]) {
      std::tm first = Midnight(parts);
      first.tm_mday = 1;
      ++first.tm_mon;
      next = TimeOf(first);
    } else if (!IsDay(parts)) {
      std::tm day = Midnight(parts);
      ++day.tm_mday;
      next = TimeOf(day);
    } else if (!hours_[static_cast<std::size_t>(parts.tm_hour)]) {
      next = t + kHour - parts.tm_min * kMinute;
    } else if (!minutes_[static_cast<std::size_t>(parts.tm_min)]) {
      next = t + kMinute;
    } else {
      return UnixTime(std::chrono::seconds(t));
    }
    // Midnight may be an hour that the clock has twice.
    t = next > t ? next : t + kHour;
  }
  return {};
}

}  // namespace fodc::backup
