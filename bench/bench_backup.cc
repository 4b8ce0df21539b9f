// SPDX-License-Identifier: Apache-2.0
// How fast fodc-backup is, and what it needs for it.
//
//   bench_backup [small] [unchanged] [large] [budget] [rclone] [--full]
//                [--check]
//
// Without names, all of them; --small and so on are the same. --full: ten times
// the small files, and five million unchanged objects beside one million.
// --check: exit code 1 if a figure is missed. It writes some 10 GiB beneath the
// build.
#include <string>

#include "bench/backup/cases.h"

int main(int argc, char** argv) {
  using fodc::bench::HasFlag;
  const bool is_full = HasFlag(argc, argv, "--full");
  const auto is_named = [&](const std::string& name) {
    return HasFlag(argc, argv, name) || HasFlag(argc, argv, "--" + name);
  };
  const bool is_any = is_named("small") || is_named("unchanged") ||
                      is_named("large") || is_named("budget") ||
                      is_named("rclone");
  fodc::bench::Reporter report("backup");
  if (!is_any || is_named("small")) fodc::bench::RunSmall(is_full, &report);
  if (!is_any || is_named("unchanged"))
    fodc::bench::RunUnchanged(is_full, &report);
  if (!is_any || is_named("large")) fodc::bench::RunLarge(&report);
  if (!is_any || is_named("budget")) fodc::bench::RunBudget(&report);
  if (!is_any || is_named("rclone")) fodc::bench::RunBesideRclone(&report);
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}
