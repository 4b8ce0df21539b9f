// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/pprof_commands.h"

#include <utility>

#include "fodc/base/file.h"
#include "fodc/ctl/top_text.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/raw.h"
#include "fodc/pprof/top.h"

namespace fodc::ctl {
namespace {

constexpr std::size_t kMaxFileBytes = 1u << 30;
constexpr pprof::ProfileLimits kLimits = {
    .bytes = kMaxFileBytes, .items = 32u << 20, .frames = 1u << 20};

Result<pprof::Profile> Open(const std::string& path) {
  FODC_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxFileBytes));
  return pprof::ReadProfile(std::move(bytes), kLimits).WithContext(path);
}

Result<pprof::TopReport> Report(const PprofCommand& command) {
  pprof::TopOptions options;
  options.sample_type = command.sample_type;
  options.max_rows = command.count;
  options.by_cum = command.by_cum;
  if (command.all) options.min_share = 0;
  FODC_ASSIGN_OR_RETURN(const pprof::Profile profile, Open(command.path));
  if (command.action == PprofCommand::Action::kTop) {
    return pprof::Top(profile, options).WithContext(command.path);
  }
  FODC_ASSIGN_OR_RETURN(const pprof::Profile base, Open(command.base));
  return pprof::Diff(base, profile, options).WithContext(command.path);
}

}  // namespace

Status RunPprof(const PprofCommand& command, Output* out) {
  if (command.action == PprofCommand::Action::kRaw) {
    FODC_ASSIGN_OR_RETURN(const pprof::Profile profile, Open(command.path));
    return pprof::WriteRaw(
        profile, [out](std::string_view piece) { return out->Append(piece); });
  }
  FODC_ASSIGN_OR_RETURN(const pprof::TopReport report, Report(command));
  const bool is_diff = command.action == PprofCommand::Action::kDiff;
  return out->Append(command.json ? TopJson(report) : TopText(report, is_diff));
}

}  // namespace fodc::ctl
