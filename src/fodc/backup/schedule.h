// SPDX-License-Identifier: Apache-2.0
// When a backup begins: --schedule.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::backup {

// "@hourly" and its like, "@every 90m", or five fields as in crontab(5):
// minute, hour, day, month, day of the week, with lists, ranges, steps and
// English names. "TZ=Zone " before it names the zone of this process. Where
// both days are given, either will do, as cron has it.
class Schedule {
 public:
  // Errors: kInvalidArgument naming the field and its limits.
  static Result<Schedule> Parse(std::string_view text);

  // The first time behind `after`, in the process's zone. Of hours that a
  // change of the clock repeats both count; what falls into one that it leaves
  // out does not happen. Absent: not within five years.
  std::optional<UnixTime> Next(UnixTime after) const;

  // Empty: that which the process has.
  const std::string& zone() const { return zone_; }

 private:
  std::string zone_;
  std::chrono::seconds every_{0};  // 0: by fields
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // from 1
  std::bitset<13> months_;   // from 1
  std::bitset<7> weekdays_;  // from Sunday
  bool has_days_ = false;    // not every one
  bool has_weekdays_ = false;

  bool IsDay(const std::tm& t) const;
};

}  // namespace fodc::backup
