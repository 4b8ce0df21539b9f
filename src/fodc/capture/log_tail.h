// SPDX-License-Identifier: Apache-2.0
// The last lines of a target's log files, and later what was written since:
// over rotation and truncation. And the first lines of its other text files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/capture/redact.h"

namespace fodc::capture {

// Files that match any of the patterns of glob(3), those that were written last
// first, each once, `max` at most, and `*left_out` gets how many more there
// are; what is no regular file is left out, and so are patterns that match
// nothing. Blocks as the file system does.
std::vector<std::string> FindLogFiles(const std::vector<std::string>& patterns,
                                      std::size_t max, std::size_t* left_out);

// What was read of a log.
struct LogPiece {
  // Whole lines, secrets taken out, bytes that are no UTF-8 written as \xNN;
  // ends in a line feed unless the log does not or it is empty.
  std::string text;
  std::uint64_t from = 0;      // where in the file it began
  bool is_cut = false;         // there was more before (or behind) it
  bool was_rotated = false;    // More: goes on in a new file of that name
  bool was_truncated = false;  // More: the file was made shorter
};

// The first lines of a text file, `max_bytes` of it at most; `is_cut` if there
// is more behind them. A first line that is longer is given without its end.
// Errors: as LogTail::Open and pread(2).
Result<LogPiece> ReadFirstLines(const std::string& path, std::size_t max_bytes);

// One log file, kept open so that its end can be read after it was renamed or
// deleted; after that one reading a deleted one is closed. Every function
// blocks as the disk does. Not thread-safe.
class LogTail {
 public:
  // Errors: as OpenCarefully.
  static Result<LogTail> Open(const std::string& path);

  const std::string& path() const { return path_; }

  // The last lines, `max_bytes` of the file at most. A line that is longer than
  // that is given without its beginning.
  // Errors: as pread(2).
  Result<LogPiece> Last(std::size_t max_bytes);
  // What was written since the last call of either, at most `max_bytes` and the
  // newest of it; a line that had no end then is given again, whole. Errors: as
  // pread(2).
  Result<LogPiece> More(std::size_t max_bytes);

 private:
  LogTail(std::string path, UniqueFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  // Of what is new: the last max_bytes, from a line's beginning.
  Status Append(std::size_t max_bytes, LogPiece* piece);
  // `lines` stand at `at` in the file.
  void Take(std::string_view lines, std::uint64_t at, std::string* out);
  void FromBeginning();

  std::string path_;
  UniqueFd fd_;  // none: it was deleted, and read to its end
  std::uint64_t read_to_ = 0;
  // Where the last whole line ended, and the secret that may go on there. What
  // stood behind it was half a line: only with its end its secrets are seen.
  std::uint64_t done_to_ = 0;
  Redactor redactor_;
};

}  // namespace fodc::capture
