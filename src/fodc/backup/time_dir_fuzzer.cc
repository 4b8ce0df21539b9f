// SPDX-License-Identifier: Apache-2.0
// Names of time directories, and the files that hold one, from anybody.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "fodc/backup/time_dir.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)::setenv("TZ", "UTC0", 1);
  ::tzset();
  return 0;
}

namespace {

using namespace fodc;
using namespace fodc::backup;

// What is taken for a name is what a time gives, and no other spelling of it.
void CheckName(const std::string& name) {
  if (!IsTimeDirName(name)) return;
  const auto number = [&](std::size_t at, std::size_t digits) {
    return static_cast<int>(ParseUint(name.substr(at, digits)).value());
  };
  const int year = number(0, 4);
  if (year < 1970 || year > 2261) return;  // what nanoseconds hold
  const std::chrono::sys_days day =
      std::chrono::year(year) /
      std::chrono::month(static_cast<unsigned>(number(5, 2))) /
      std::chrono::day(static_cast<unsigned>(number(8, 2)));
  const bool is_hour = name.size() > 10;
  UnixTime at = std::chrono::time_point_cast<UnixTime::duration>(day);
  if (is_hour) at += std::chrono::hours(number(11, 2));
  if (TimeDirName(at, is_hour ? TimeStyle::kHourly : TimeStyle::kDaily) != name)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckName(text);
  static const TempDirectory directory("time-dir-fuzzer");
  std::FILE* const file = std::fopen(directory.File("time-dir").c_str(), "wbe");
  if (file == nullptr) std::abort();
  (void)std::fwrite(data, 1, size, file);
  (void)std::fclose(file);
  const auto name = ReadTimeDir(directory.path());
  if (!name.ok()) return 0;
  CheckName(*name);
  // One directory, and not another's.
  if (name->empty() || *name == "." || *name == ".." ||
      name->find_first_of(std::string_view("/\n\0", 3)) != name->npos) {
    std::abort();
  }
  return 0;
}
