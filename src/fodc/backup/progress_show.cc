// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/progress_show.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "fodc/base/log.h"
#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

constexpr std::chrono::seconds kLogInterval{10};
constexpr std::chrono::milliseconds kBarInterval{500};
constexpr std::size_t kBarColumns = 24;
constexpr char kClearLine[] = "\r\x1b[K";

std::size_t Columns() {
  winsize size{};
  const bool is_known =
      ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

std::string Bar(double part) {
  const auto done =
      static_cast<std::size_t>(part * static_cast<double>(kBarColumns));
  std::string bar(kBarColumns, ' ');
  std::fill_n(bar.begin(), done, '=');
  if (done < kBarColumns) bar[done] = '>';
  return StrCat("[", bar, "] ", static_cast<int>(100 * part), " %  ");
}

std::string Mebibytes(std::uint64_t bytes) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.1f MiB",
                      static_cast<double>(bytes) / (1 << 20));
  return text;
}

void Tell(const RunProgress& progress) {
  const auto all = progress.all();
  if (all.empty()) return;
  const CatalogCounters& c = all.back()->counters;
  LogInfo("backing up", {{"catalog", all.back()->name},
                         {"files", c.files.load()},
                         {"uploaded", c.uploaded.load()},
                         {"uploaded_bytes", c.uploaded_bytes.load()},
                         {"unchanged", c.unchanged.load()}});
}

}  // namespace

std::string ProgressLine(const RunProgress& progress, std::size_t columns) {
  const auto all = progress.all();
  if (all.empty()) return "";
  const CatalogCounters& c = all.back()->counters;
  const std::uint64_t done = c.uploaded + c.unchanged;
  const std::uint64_t files = c.total_files;
  std::string line = ToValidUtf8(all.back()->name) + "  ";
  if (files > 0) {
    line += Bar(
        std::min(1.0, static_cast<double>(done) / static_cast<double>(files)));
    line += StrCat(done, " of ", files, " files");
  } else {
    line += StrCat(done, " files");
  }
  line += StrCat("  ", Mebibytes(c.uploaded_bytes), " up  ", c.unchanged.load(),
                 " unchanged");
  return line.substr(0, columns);
}

ProgressShow::ProgressShow(const RunProgress& progress, bool is_terminal)
    : is_terminal_(is_terminal),
      thread_([&progress, is_terminal](const std::stop_token& stop) {
        while (WaitUnlessStopped(is_terminal
                                     ? std::chrono::nanoseconds(kBarInterval)
                                     : std::chrono::nanoseconds(kLogInterval),
                                 stop)) {
          if (!is_terminal) {
            Tell(progress);
            continue;
          }
          (void)std::fputs(
              StrCat(kClearLine, ProgressLine(progress, Columns() - 1)).c_str(),
              stderr);
        }
      }) {}

ProgressShow::~ProgressShow() {
  thread_.request_stop();
  thread_.join();
  if (is_terminal_) (void)std::fputs(kClearLine, stderr);
}

}  // namespace fodc::backup
