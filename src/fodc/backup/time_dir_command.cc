// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <utility>

#include "fodc/backup/command_output.h"
#include "fodc/backup/commands.h"
#include "fodc/backup/verify.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::backup {

Outcome CommandTimeDirList(const TimeDirFlags& flags, const Clock& clock,
                           const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  const auto names = ListTimeDirs(**store, flags.prefix, stop);
  if (!names.ok()) return Fail(names.status());
  std::string text = "Remote time directories:\n";
  for (const std::string& name : *names) text += ToValidUtf8(name) + "\n";
  Print(text);
  return Outcome::kSuccess;
}

Outcome CommandTimeDir(std::string_view action, const TimeDirFlags& flags,
                       std::string time, const Clock& clock) {
  if (time.empty()) {
    time = TimeDirName(clock.Unix(), flags.time_style == "hourly"
                                         ? TimeStyle::kHourly
                                         : TimeStyle::kDaily);
  }
  if (action == "create" && !flags.is_forced && !IsTimeDirName(time)) {
    return Fail(InvalidArgument(
        StrCat("\"", ToValidUtf8(time),
               "\" is neither YYYY-MM-DD nor YYYY-MM-DD-HH (--force)")));
  }
  std::vector<std::string> catalogs;
  for (const std::string& name : flags.catalogs)
    catalogs.push_back(ToLower(name));
  if (catalogs.empty())
    catalogs.assign(std::begin(kCatalogs), std::end(kCatalogs));
  Outcome outcome = Outcome::kSuccess;
  for (const std::string& catalog : catalogs) {
    const std::string root = flags.roots.Of(catalog);
    if (root.empty()) {
      (void)std::fprintf(stderr, "fodc-backup: there is no catalog %s\n",
                         ToValidUtf8(catalog).c_str());
      continue;
    }
    const std::string directory = StrCat(root, "/", catalog);
    if (action == "create") {
      Status s = MakeDirectories(directory, 0700);
      if (s.ok()) s = WriteTimeDir(directory, time);
      if (!s.ok()) outcome = Fail(s.WithContext(catalog));
    } else if (action == "read") {
      const auto read = ReadTimeDir(directory);
      if (read.ok()) {
        Print(StrCat(catalog, ": ", ToValidUtf8(*read), "\n"));
      } else {
        // As the original: it is told, and no failure.
        (void)Fail(read.status().WithContext(catalog));
      }
    } else if (const Status s = RemoveTimeDir(directory); !s.ok()) {
      (void)Fail(s.WithContext(catalog));
    }
  }
  return outcome;
}

}  // namespace fodc::backup
