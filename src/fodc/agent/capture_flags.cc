// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/capture_flags.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 50;
// Of one target.
constexpr std::size_t kMaxFiles = 16;

// The row that "NAME=VALUE" means, and the value: what begins like one has no
// name.
Result<std::size_t> RowOf(std::string_view flag, std::string_view entry,
                          const std::vector<target::TargetSpec>& rows,
                          std::string_view* value) {
  *value = Trim(entry);
  const bool has_no_name =
      value->starts_with("/") || value->starts_with("unix:") ||
      value->starts_with("http://") || value->starts_with("https://");
  const std::size_t equals = has_no_name ? value->npos : value->find('=');
  std::string_view name;
  if (equals != value->npos) {
    name = Trim(value->substr(0, equals));
    *value = Trim(value->substr(equals + 1));
  }
  if (rows.empty()) {
    return InvalidArgument(StrCat(flag, ": \"", entry,
                                  "\" is given, and there is no target on this "
                                  "machine"));
  }
  if (name.empty()) return std::size_t{0};
  const auto row =
      std::ranges::find(rows, name, &target::TargetSpec::container_name);
  if (row == rows.end()) {
    return InvalidArgument(StrCat(flag, ": \"", name,
                                  "\" is no target; --container-names names "
                                  "them"));
  }
  return static_cast<std::size_t>(row - rows.begin());
}

Status AddFiles(std::string_view flag, const std::vector<std::string>& entries,
                const std::vector<target::TargetSpec>& rows,
                std::vector<std::string> capture::CaptureTarget::*files,
                std::vector<capture::CaptureTarget>* targets) {
  for (const std::string& entry : entries) {
    std::string_view path;
    FODC_ASSIGN_OR_RETURN(const std::size_t row,
                          RowOf(flag, entry, rows, &path));
    if (!path.starts_with("/") || path.size() > 4096 ||
        path.find('\0') != path.npos) {
      return InvalidArgument(
          StrCat(flag, ": \"", entry, "\" is no absolute path, nor NAME=PATH"));
    }
    std::vector<std::string>& of_row = (*targets)[row].*files;
    if (of_row.size() == kMaxFiles) {
      return InvalidArgument(
          StrCat(flag, ": more than ", kMaxFiles, " for one target"));
    }
    of_row.emplace_back(path);
  }
  return {};
}

Result<std::uint16_t> PortOf(std::string_view text) {
  const auto number = ParseUint(Trim(text));
  if (!number || *number == 0 || *number > 65535) {
    return InvalidArgument(StrCat("--pressure-profiler-pprof-port: \"", text,
                                  "\" is no port from 1 to 65535"));
  }
  return static_cast<std::uint16_t>(*number);
}

Status Within(std::string_view flag, std::int64_t value, std::int64_t low,
              std::int64_t high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(
      StrCat(flag, " is ", value, "; it must be from ", low, " to ", high));
}

}  // namespace

void AddCaptureFlags(program::Flags* f, CaptureFlags* c) {
  f->Bool("pressure-profiler-enabled", &c->enabled,
          "capture evidence of a target whose memory nears its limit, that "
          "dies, reads slowly or answers no more");
  f->Int("pressure-profiler-trigger-percent", &c->trigger_percent,
         "share of the limit at which it is captured; 1 to 100");
  f->String("pressure-profiler-pprof-port", &c->pprof_port,
            "port of the first target's profiles on localhost");
  f->Duration("pressure-profiler-cooldown", &c->cooldown,
              "least time between two captures of one target for one reason; "
              "memory that grows by a further tenth of the limit, or to 90 "
              "percent, is captured all the same");
  f->String("pressure-profiler-dir", &c->dir,
            "directory of what is captured; if it cannot be used, the agent "
            "goes on without captures");
  f->Int("pressure-profiler-max-artifacts", &c->max_artifacts,
         "events kept; 0: not bounded");
  f->Int("pressure-profiler-max-disk-bytes", &c->max_disk_bytes,
         "bytes of events kept; 0: not bounded");
  f->Duration("pressure-profiler-max-age", &c->max_age,
              "age of events kept, but for the newest, the one of most memory "
              "and those that are pinned; 0s: not bounded");
  f->List("pressure-profiler-types", &c->types,
          "profiles beside heap and goroutine, whose cost a dying node bears: "
          "heap-gc, mutex, block, cpu, threads, allocator");
  f->List("pressure-profiler-urls", &c->urls,
          "where profiles are had instead of the port: [NAME=]URL,...; NAME a "
          "container name; a base URL, one with {type} in it, or unix:/SOCKET")
      .MaskUserInfo();
  f->List("target-config-files", &c->config_files,
          "files captured without their secrets: [NAME=]PATH,...; absolute");
  f->List("target-log-files", &c->log_files,
          "logs whose last lines are captured without their secrets: "
          "[NAME=]PATTERN,...; absolute; *, ? and [] as in a shell");
}

Result<CheckedCapture> CheckCapture(
    const CaptureFlags& f, const std::vector<target::TargetSpec>& rows) {
  CheckedCapture c;
  if (f.cooldown.count() < 0 || f.cooldown > std::chrono::hours(24 * 365)) {
    return InvalidArgument(StrCat("--pressure-profiler-cooldown is ",
                                  FormatGoDuration(f.cooldown),
                                  "; it must be from 0s to 8760h0m0s"));
  }
  FODC_RETURN_IF_ERROR(
      Within("--pressure-profiler-max-artifacts", f.max_artifacts, 0, kMost));
  FODC_RETURN_IF_ERROR(
      Within("--pressure-profiler-max-disk-bytes", f.max_disk_bytes, 0, kMost));
  if (f.max_age.count() < 0) {
    return InvalidArgument(StrCat("--pressure-profiler-max-age is ",
                                  FormatGoDuration(f.max_age),
                                  "; it must not be negative"));
  }
  c.retention = {.max_events = f.max_artifacts,
                 .max_bytes = f.max_disk_bytes,
                 .max_age = f.max_age};
  c.targets.resize(rows.size());
  FODC_RETURN_IF_ERROR(AddFiles("--target-config-files", f.config_files, rows,
                                &capture::CaptureTarget::config_files,
                                &c.targets));
  FODC_RETURN_IF_ERROR(AddFiles("--target-log-files", f.log_files, rows,
                                &capture::CaptureTarget::log_files,
                                &c.targets));
  auto types = capture::ChooseProfileTypes(f.types);
  if (!types.ok()) {
    return InvalidArgument(
        StrCat("--pressure-profiler-types: ", types.status().message()));
  }
  c.profiles = *std::move(types);
  if (!f.enabled) return c;
  FODC_RETURN_IF_ERROR(
      Within("--pressure-profiler-trigger-percent", f.trigger_percent, 1, 100));
  if (f.dir.empty()) {
    return InvalidArgument(
        "--pressure-profiler-dir is empty; with --pressure-profiler-enabled it "
        "must name a directory");
  }
  FODC_ASSIGN_OR_RETURN(const std::uint16_t port, PortOf(f.pprof_port));
  if (!rows.empty())
    c.targets[0].profiles = capture::ProfileSource::OfPort(port);
  for (const std::string& entry : f.urls) {
    std::string_view url;
    FODC_ASSIGN_OR_RETURN(const std::size_t row,
                          RowOf("--pressure-profiler-urls", entry, rows, &url));
    auto source = capture::ProfileSource::Parse(url);
    if (!source.ok()) {
      return InvalidArgument(
          StrCat("--pressure-profiler-urls: ", source.status().message()));
    }
    c.targets[row].profiles = *std::move(source);
  }
  c.pressure.trigger_percent = static_cast<int>(f.trigger_percent);
  c.pressure.hard_percent =
      std::max(c.pressure.hard_percent, c.pressure.trigger_percent);
  c.pressure.pace.cooldown = f.cooldown;
  return c;
}

}  // namespace fodc::agent
