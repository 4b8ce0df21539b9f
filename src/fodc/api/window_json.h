// SPDX-License-Identifier: Apache-2.0
// Rows of a window as JSON, written piece by piece in constant memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/window_rows.h"

namespace fodc::api {

// An array of {"agent_id","data":[{"timestamp","value"}],"description",
// "labels","name","node_labels","node_role","pod_name"}, one for each row, and
// a line feed. Timestamps are RFC 3339 in UTC, with milliseconds where they are
// not whole seconds. NaN and infinities are null.
class WindowJson {
 public:
  explicit WindowJson(std::vector<std::unique_ptr<WindowRows>> rows);
  ~WindowJson();

  // Appends what comes next, about `max_bytes` unless it ends, or less, even
  // nothing, when it has looked through several nodes. Returns whether
  // something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  // `{"timestamp":"...","value":` of one instant.
  struct Stamp {
    std::int64_t unix_ms = 0;
    std::uint32_t bytes = 0;  // 0: none yet
    char text[52] = {};
  };

  void BeginRow(std::string* out);
  char* AppendPoints(char* out, const char* limit);
  static void MakeStamp(std::int64_t unix_ms, Stamp* stamp);

  std::vector<std::unique_ptr<WindowRows>> rows_;
  std::size_t rows_at_ = 0;
  bool begun_ = false;
  bool any_ = false;
  bool in_row_ = false;
  WindowRow row_;
  std::size_t point_ = 0;
  // Series of one source share their instants: the stamps of the previous row
  // are mostly those of the next.
  std::vector<Stamp> stamps_;
  std::string tail_;  // of the row, after its data
  std::unique_ptr<char[]> buffer_;
};

}  // namespace fodc::api
