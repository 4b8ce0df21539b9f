// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/time_dir.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

constexpr char kFile[] = "/time-dir";
constexpr std::size_t kMaxBytes = 255;

std::optional<int> Digits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
  }
  const auto n = ParseUint(text);
  if (!n) return {};
  return static_cast<int>(*n);
}

}  // namespace

Result<TimeStyle> ParseTimeStyle(std::string_view word) {
  if (word == "daily") return TimeStyle::kDaily;
  if (word == "hourly") return TimeStyle::kHourly;
  return InvalidArgument(
      StrCat("the time style \"", word, "\" is neither daily nor hourly"));
}

std::string TimeDirName(UnixTime at, TimeStyle style) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  std::tm parts{};
  FODC_CHECK(::localtime_r(&seconds, &parts) != nullptr);
  char text[64];
  const std::size_t n = std::strftime(
      text, sizeof text,
      style == TimeStyle::kDaily ? "%Y-%m-%d" : "%Y-%m-%d-%H", &parts);
  return {text, n};
}

bool IsTimeDirName(std::string_view name) {
  if (name.size() != 10 && name.size() != 13) return false;
  if (name[4] != '-' || name[7] != '-') return false;
  const auto year = Digits(name.substr(0, 4));
  const auto month = Digits(name.substr(5, 2));
  const auto day = Digits(name.substr(8, 2));
  if (!year || !month || !day) return false;
  const std::chrono::year_month_day date(
      std::chrono::year(*year),
      std::chrono::month(static_cast<unsigned>(*month)),
      std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return false;
  if (name.size() == 10) return true;
  const auto hour = Digits(name.substr(11));
  return name[10] == '-' && hour && *hour < 24;
}

Status WriteTimeDir(const std::string& catalog_directory,
                    std::string_view name) {
  FODC_RETURN_IF_ERROR(MakeDirectories(catalog_directory, 0700));
  return WriteFileAtomically(catalog_directory + kFile, name, 0600);
}

Result<std::string> ReadTimeDir(const std::string& catalog_directory) {
  const std::string path = catalog_directory + kFile;
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 4096));
  const std::string_view name = Trim(text);
  if (name.empty()) return InvalidArgument(path + " is empty");
  if (name.size() > kMaxBytes ||
      name.find_first_of(std::string_view("/\n\0", 3)) != name.npos ||
      name == "." || name == "..") {
    return InvalidArgument(path + " does not hold the name of a directory");
  }
  return std::string(name);
}

Status RemoveTimeDir(const std::string& catalog_directory) {
  const std::string path = catalog_directory + kFile;
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return OkStatus();
  return ErrnoStatus(errno, "remove " + path);
}

}  // namespace fodc::backup
