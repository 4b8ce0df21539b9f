// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/target_file.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "fodc/agent/instance.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::string_view kName = "targets";
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

// A file that does not say whose it is, is believed to be ours.
void DropRowsOfOthers(const std::string& path, const std::string& pod,
                      std::vector<target::KeptRow>* rows) {
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
    : loop_(loop),
      directory_(directory),
      pod_(pod),
      path_(StrCat(directory, "/", kName)),
      is_ours_(std::move(is_ours)) {}

std::vector<target::KeptRow> TargetFile::Read() const {
  if (directory_.empty()) return {};
  if (is_ours_()) RemoveUnfinished(directory_, kName);
  const Result<std::string> text = ReadFile(path_, kMaxBytes);
  if (text.status().code() == Code::kNotFound) return {};
  Status status = text.status();
  if (status.ok()) {
    auto rows = target::DecodeKeptRows(*text);
    if (rows.ok()) {
      DropRowsOfOthers(path_, pod_, &*rows);
      return *std::move(rows);
    }
    status = rows.status();
  }
  if (is_ours_()) {
    (void)std::rename(path_.c_str(), (path_ + ".damaged").c_str());
  }
  LogWarn("what was known of the targets is lost; their counters begin anew",
          {{"path", path_}, {"error", status.message()}});
  return {};
}

void TargetFile::Write(std::vector<target::KeptRow> rows) {
  if (directory_.empty()) return;
  for (target::KeptRow& row : rows) row.pod = pod_;
  due_ = target::EncodeKeptRows(rows);
  Retry();
}

void TargetFile::Retry() {
  if (!due_ || is_writing_ || !is_ours_()) return;
  std::string text = *std::exchange(due_, std::nullopt);
  is_writing_ = true;
  const bool taken = loop_.Offload<Status>(
      [path = path_, text] { return WriteFileAtomically(path, text); },
      [this, alive = std::weak_ptr<int>(alive_), text](const Status& status) {
        if (!alive.expired()) Written(text, status);
      });
  if (!taken) Written(text, ResourceExhausted("the disk's queue is full"));
}

void TargetFile::Written(std::string text, const Status& status) {
  is_writing_ = false;
  if (!status.ok()) {
    if (!std::exchange(is_failing_, true)) {
      LogWarn("what is known of the targets cannot be kept",
              {{"path", path_}, {"error", status.message()}});
    }
    if (!due_) due_ = std::move(text);  // with the next Retry
    return;
  }
  if (std::exchange(is_failing_, false)) {
    LogInfo("what is known of the targets is kept again", {{"path", path_}});
  }
  Retry();
}

void AddTargetFileMetrics(program::OwnMetrics* metrics,
                          const TargetFile* file) {
  metrics->AddCallback(
      "fodc_agent_targets_file_failing", exposition::MetricType::kGauge,
      "Whether the last write of what is known of the targets failed.",
      [file] { return file->is_failing() ? 1.0 : 0.0; });
}

}  // namespace fodc::agent
