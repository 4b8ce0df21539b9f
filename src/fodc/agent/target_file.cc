// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/target_file.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"

namespace fodc::agent {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

// A file that does not say whose it is, is believed to be ours.
void DropRowsOfOthers(const std::string& path, const std::string& pod,
                      TargetFile::Rows* rows) {
  const auto is_anothers = [&pod](const target::KeptRow& row) {
    return !row.pod.empty() && row.pod != pod;
  };
  const auto other = std::find_if(rows->begin(), rows->end(), is_anothers);
  if (other == rows->end()) return;
  LogWarn(
      "what is kept of the targets is another pod's; this pod's counters begin "
      "anew",
      {{"path", path}, {"pod_name", pod}, {"was_of", other->pod}});
  std::erase_if(*rows, is_anothers);
}

}  // namespace

TargetFile::TargetFile(net::EventLoop& loop, const std::string& directory,
                       const std::string& pod, std::function<bool()> is_ours)
    : pod_(pod),
      file_(
          loop,
          {.directory = directory,
           .name = "targets",
           .what = "targets, their counters begin anew",
           .is_ours = std::move(is_ours),
           .reads_anothers = true,
           .max_bytes = kMaxBytes,
           .decode = [this](std::string_view text) -> Result<KeptFile::Apply> {
             FODC_ASSIGN_OR_RETURN(Rows rows, target::DecodeKeptRows(text));
             return KeptFile::Apply(
                 [this, rows = std::move(rows)](bool is_late) {
                   Accept(rows, is_late);
                 });
           }}) {}

void TargetFile::Accept(Rows rows, bool is_late) {
  DropRowsOfOthers(file_.path(), pod_, &rows);
  if (!is_late) {
    at_start_ = std::move(rows);
  } else if (!rows.empty() && on_late_) {
    on_late_(std::move(rows));
  }
}

TargetFile::Rows TargetFile::Read() {
  file_.Read();
  return std::exchange(at_start_, {});
}

void TargetFile::Write(Rows rows) {
  for (target::KeptRow& row : rows) row.pod = pod_;
  file_.Write(target::EncodeKeptRows(rows));
}

void AddTargetFileMetrics(program::OwnMetrics* metrics,
                          const TargetFile* file) {
  metrics->AddCallback(
      "fodc_agent_targets_file_failing", exposition::MetricType::kGauge,
      "Whether the last write of what is known of the targets failed.",
      [file] { return file->is_failing() ? 1.0 : 0.0; });
}

}  // namespace fodc::agent
