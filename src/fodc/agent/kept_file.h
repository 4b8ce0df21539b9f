// SPDX-License-Identifier: Apache-2.0
// A small file under --recorder-dir that outlives the agent: read once, set
// aside if it is damaged, written anew whenever what it keeps has changed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"

namespace fodc::agent {

// Belongs to the loop's thread. No disk holds it up: a worker reads and writes,
// but for the one read at the start.
class KeptFile {
 public:
  // Puts what the file held where it belongs; called on the loop's thread, by
  // Read or, late, when the directory has become ours.
  using Apply = std::function<void(bool is_late)>;

  struct Options {
    std::string directory;  // empty: nothing is kept
    std::string name;       // in it
    std::string what;       // for the log: "incidents"
    // The file is written to, and cleaned up, while this says that no other
    // agent does.
    std::function<bool()> is_ours;
    // Whether Read looks at a file that is not ours yet.
    bool reads_anothers = false;
    std::size_t max_bytes = 0;
    // On any thread. An error sets the file aside.
    std::function<Result<Apply>(std::string_view text)> decode;
  };

  // `loop` must outlive it.
  KeptFile(net::EventLoop& loop, Options options);
  KeptFile(const KeptFile&) = delete;
  KeptFile& operator=(const KeptFile&) = delete;

  // At the start, before the first Write. A file that cannot be used is named
  // in the log and set aside as `NAME.damaged`. Where the directory becomes
  // ours only later, what lies there then is read before anything replaces it.
  void Read();

  // Soon on disk. What cannot be written now goes with the next Write or Retry.
  void Write(std::string text);
  void Retry();
  // At the end: what is due is tried once more. Then calls `done`, after some
  // seconds at the latest.
  void Finish(net::Task done);

  // Whether the newest write failed.
  bool is_failing() const { return is_failing_; }
  const std::string& path() const { return path_; }

 private:
  struct Loaded {
    bool is_there = false;
    Status status;
    Apply apply;  // null: nothing to apply
  };
  // On any thread. If the directory is ours, leftovers go as well.
  static Loaded Load(const Options& options, bool is_ours);
  void Take(const Loaded& loaded, bool is_late);
  void ReadLate();
  void Written(std::string text, const Status& status);
  void EndIfIdle();
  void End();

  net::EventLoop& loop_;
  const std::shared_ptr<const Options> options_;  // workers share it
  const std::string path_;
  std::optional<std::string> due_;
  bool is_read_ = false;
  bool is_at_work_ = false;  // a worker reads or writes
  bool is_failing_ = false;
  net::Task done_;  // of Finish
  net::EventLoop::Handle limit_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace fodc::agent
