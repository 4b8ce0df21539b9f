// SPDX-License-Identifier: Apache-2.0
// Of what is at a destination: verify, list, prune.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "fodc/backup/command_output.h"
#include "fodc/backup/commands.h"
#include "fodc/backup/retention.h"
#include "fodc/backup/verify.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {

Outcome CommandVerify(const VerifyFlags& flags, const Clock& clock,
                      const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  std::string time_dir = flags.time_dir;
  if (time_dir.empty()) {
    const auto names = ListTimeDirs(**store, "", stop);
    if (!names.ok()) return Fail(names.status());
    for (const std::string& name : *names) {
      if (IsTimeDirName(name)) time_dir = name;  // the newest is the last
    }
    if (time_dir.empty())
      return Fail(NotFound(StrCat((*store)->name(), " has no time directory")));
  }
  std::vector<std::string> catalogs = flags.catalogs;
  if (catalogs.empty()) {
    const auto backups = ListBackups(**store, time_dir, stop);
    if (!backups.ok()) return Fail(backups.status());
    for (const StoredBackup& backup : *backups)
      catalogs.push_back(backup.catalog);
    if (catalogs.empty())
      return Fail(NotFound(
          StrCat((*store)->name(), "/", time_dir, " has no manifest")));
  }
  auto key = LoadKey(flags.encryption_key_file);
  if (!key.ok()) return Fail(key.status());
  VerifyOptions options = flags.verify;
  options.key = *std::move(key);
  options.concurrency = static_cast<std::size_t>(flags.concurrency);
  Outcome outcome = Outcome::kSuccess;
  for (const std::string& catalog : catalogs) {
    const VerifyReport report =
        VerifyCatalog(**store, time_dir, catalog, options, clock, stop);
    Print(StrCat(time_dir, " ", ToValidUtf8(catalog), ": ", report.files,
                 " files, ", report.read, " read, ", report.extra,
                 " unknown: ", report.status.ok() ? "good" : "NOT GOOD", "\n"));
    for (const std::string& problem : report.problems)
      Print(StrCat("  ", problem, "\n"));
    if (report.status.ok()) continue;
    const bool is_damage = report.status.code() == Code::kDataLoss;
    (void)Fail(report.status);
    if (is_damage || outcome == Outcome::kSuccess)
      outcome = is_damage ? Outcome::kIntegrity : Outcome::kFailure;
  }
  return outcome;
}

Outcome CommandList(const TimeDirFlags& flags, const Clock& clock,
                    const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  const auto names = ListTimeDirs(**store, flags.prefix, stop);
  if (!names.ok()) return Fail(names.status());
  Print(
      "TIME DIRECTORY  CATALOG          STATE        FILES       BYTES  "
      "STARTED               VERIFIED\n");
  for (const std::string& name : *names) {
    const auto backups = ListBackups(**store, name, stop);
    if (!backups.ok()) return Fail(backups.status());
    if (backups->empty()) Print(StrCat(ToValidUtf8(name), "  (no manifest)\n"));
    for (const StoredBackup& b : *backups) {
      char line[512];
      (void)std::snprintf(
          line, sizeof line, "%-14s  %-15s  %-11s %6llu %11llu  %-20s  %s\n",
          ToValidUtf8(b.time_dir).c_str(), ToValidUtf8(b.catalog).c_str(),
          !b.header                                     ? "damaged"
          : b.header->state == ManifestState::kComplete ? "complete"
                                                        : "in-progress",
          static_cast<unsigned long long>(b.totals.files),
          static_cast<unsigned long long>(b.totals.bytes),
          b.header ? FormatRfc3339(b.header->started, 0).c_str() : "-",
          b.verified.empty() ? "never" : b.verified.c_str());
      Print(line);
    }
  }
  return Outcome::kSuccess;
}

Outcome CommandPrune(const PruneFlags& flags, const Clock& clock,
                     const std::stop_token& stop) {
  auto store = OpenDestination(flags.destination, clock);
  if (!store.ok()) return Fail(store.status());
  const auto all = ListAged(**store, flags.node_id, stop);
  if (!all.ok()) return Fail(all.status());
  const std::vector<std::string> going =
      WhatGoes(*all, flags.retention.rules, clock.Unix());
  for (const AgedBackup& backup : *all) {
    const bool goes = std::ranges::find(going, backup.time_dir) != going.end();
    Print(StrCat(backup.time_dir, goes ? "  goes\n"
                                  : backup.state == AgedBackup::State::kUnknown
                                      ? "  stays (no manifest)\n"
                                      : "  stays\n"));
  }
  if (!flags.retention.is_meant) {
    if (!going.empty()) Print("Nothing is removed without --prune.\n");
    return Outcome::kSuccess;
  }
  for (const std::string& time_dir : going) {
    const Status s = RemoveBackup(**store, time_dir, stop);
    if (!s.ok()) return Fail(s.WithContext("remove " + time_dir));
    LogInfo("a backup is removed", {{"time_dir", time_dir}});
  }
  return Outcome::kSuccess;
}

}  // namespace fodc::backup
