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

std::string PathIn(const std::string& directory) {
  return StrCat(directory, "/", kName);
}

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
      path_(PathIn(directory)),
      is_ours_(std::move(is_ours)) {}

TargetFile::Loaded TargetFile::Load(const std::string& directory,
                                    bool is_ours) {
  if (is_ours) RemoveUnfinished(directory, kName);
  const std::string path = PathIn(directory);
  const Result<std::string> text = ReadFile(path, kMaxBytes);
  Loaded loaded;
  if (text.status().code() == Code::kNotFound) return loaded;
  loaded.is_there = true;
  loaded.status = text.status();
  if (text.ok()) {
    auto rows = target::DecodeKeptRows(*text);
    loaded.status = rows.status();
    if (rows.ok()) loaded.rows = *std::move(rows);
  }
  if (!loaded.status.ok() && is_ours)
    (void)std::rename(path.c_str(), (path + ".damaged").c_str());
  return loaded;
}

std::vector<target::KeptRow> TargetFile::Accept(Loaded loaded) const {
  // While the directory is not ours it cannot be told whether anything is lost.
  if (!loaded.status.ok() && is_ours_()) {
    LogWarn("what was known of the targets is lost; their counters begin anew",
            {{"path", path_}, {"error", loaded.status.message()}});
  }
  DropRowsOfOthers(path_, pod_, &loaded.rows);
  return std::move(loaded.rows);
}

std::vector<target::KeptRow> TargetFile::Read() {
  if (directory_.empty()) return {};
  Loaded loaded = Load(directory_, is_ours_());
  // One that is not ours yet may be there later, or whole.
  is_read_ = is_ours_() || (loaded.is_there && loaded.status.ok());
  return Accept(std::move(loaded));
}

void TargetFile::ReadLate() {
  is_at_work_ = true;
  const bool taken = loop_.Offload<Loaded>(
      [directory = directory_] { return Load(directory, /*is_ours=*/true); },
      [this, alive = std::weak_ptr<int>(alive_)](Loaded loaded) {
        if (alive.expired()) return;
        is_at_work_ = false;
        is_read_ = true;
        std::vector<target::KeptRow> rows = Accept(std::move(loaded));
        if (!rows.empty() && on_late_) on_late_(std::move(rows));
        Retry();
      });
  if (!taken) is_at_work_ = false;  // with the next Retry
}

void TargetFile::Write(std::vector<target::KeptRow> rows) {
  if (directory_.empty()) return;
  for (target::KeptRow& row : rows) row.pod = pod_;
  due_ = target::EncodeKeptRows(rows);
  Retry();
}

void TargetFile::Retry() {
  if (directory_.empty() || is_at_work_ || !is_ours_()) return;
  if (!is_read_) return ReadLate();
  if (!due_) return;
  std::string text = *std::exchange(due_, std::nullopt);
  is_at_work_ = true;
  const bool taken = loop_.Offload<Status>(
      [path = path_, text] { return WriteFileAtomically(path, text); },
      [this, alive = std::weak_ptr<int>(alive_), text](const Status& status) {
        if (!alive.expired()) Written(text, status);
      });
  if (!taken) Written(text, ResourceExhausted("the disk's queue is full"));
}

void TargetFile::Written(std::string text, const Status& status) {
  is_at_work_ = false;
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
