// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/kept_file.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "fodc/agent/instance.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

// An ill disk must not keep the agent from ending.
constexpr std::chrono::seconds kFinishLimit{5};

std::string PathOf(const KeptFile::Options& options) {
  return StrCat(options.directory, "/", options.name);
}

}  // namespace

KeptFile::KeptFile(net::EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::make_shared<const Options>(std::move(options))),
      path_(PathOf(*options_)) {}

KeptFile::Loaded KeptFile::Load(const Options& options, bool is_ours) {
  if (is_ours) RemoveUnfinished(options.directory, options.name);
  const std::string path = PathOf(options);
  const Result<std::string> text = ReadFile(path, options.max_bytes);
  Loaded loaded;
  if (text.status().code() == Code::kNotFound) return loaded;
  loaded.is_there = true;
  loaded.status = text.status();
  if (text.ok()) {
    auto apply = options.decode(*text);
    loaded.status = apply.status();
    if (apply.ok()) loaded.apply = *std::move(apply);
  }
  if (!loaded.status.ok() && is_ours)
    (void)std::rename(path.c_str(), (path + ".damaged").c_str());
  return loaded;
}

void KeptFile::Take(const Loaded& loaded, bool is_late) {
  // While the directory is not ours it cannot be told whether anything is lost.
  if (!loaded.status.ok() && options_->is_ours()) {
    LogWarn("what an earlier life kept is lost",
            {{"what", options_->what},
             {"path", path_},
             {"error", loaded.status.message()}});
  }
  if (loaded.apply) loaded.apply(is_late);
}

void KeptFile::Read() {
  if (options_->directory.empty()) return;
  const bool is_ours = options_->is_ours();
  if (!is_ours && !options_->reads_anothers) return;
  const Loaded loaded = Load(*options_, is_ours);
  // One that is not ours yet may be there later, or whole.
  is_read_ = is_ours || (loaded.is_there && loaded.status.ok());
  Take(loaded, /*is_late=*/false);
}

void KeptFile::ReadLate() {
  is_at_work_ = true;
  const bool taken = loop_.Offload<Loaded>(
      [options = options_] { return Load(*options, /*is_ours=*/true); },
      [this, alive = std::weak_ptr<int>(alive_)](const Loaded& loaded) {
        if (alive.expired()) return;
        is_at_work_ = false;
        is_read_ = true;
        Take(loaded, /*is_late=*/true);
        Retry();
        EndIfIdle();
      });
  if (!taken) is_at_work_ = false;  // with the next Retry
}

void KeptFile::Write(std::string text) {
  if (options_->directory.empty()) return;
  due_ = std::move(text);
  Retry();
}

void KeptFile::Retry() {
  if (options_->directory.empty() || is_at_work_ || !options_->is_ours())
    return;
  if (!is_read_) return ReadLate();
  if (!due_) return;
  std::string text = *std::exchange(due_, std::nullopt);
  is_at_work_ = true;
  const bool taken = loop_.Offload<Status>(
      [path = path_, text] { return WriteFileAtomically(path, text); },
      [this, alive = std::weak_ptr<int>(alive_), text](const Status& status) {
        if (alive.expired()) return;
        Written(text, status);
        EndIfIdle();
      });
  if (!taken) Written(text, ResourceExhausted("the disk's queue is full"));
}

void KeptFile::Written(std::string text, const Status& status) {
  is_at_work_ = false;
  if (!status.ok()) {
    if (!std::exchange(is_failing_, true)) {
      LogWarn("cannot be kept for the next life",
              {{"what", options_->what},
               {"path", path_},
               {"error", status.message()}});
    }
    if (!due_) due_ = std::move(text);  // with the next Retry
    return;
  }
  if (std::exchange(is_failing_, false)) {
    LogInfo("is kept for the next life again",
            {{"what", options_->what}, {"path", path_}});
  }
  Retry();
}

void KeptFile::Finish(net::Task done) {
  done_ = std::move(done);
  limit_ = loop_.RunAfter(kFinishLimit, [this] {
    LogWarn("what is kept for the next life did not reach the disk in time",
            {{"what", options_->what}, {"path", path_}});
    End();
  });
  Retry();
  EndIfIdle();
}

// Nothing is under way: nothing more can be done for what may be due.
void KeptFile::EndIfIdle() {
  if (!is_at_work_) End();
}

void KeptFile::End() {
  limit_.Cancel();
  if (done_) std::exchange(done_, {})();
}

}  // namespace fodc::agent
