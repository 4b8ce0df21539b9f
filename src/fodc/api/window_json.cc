// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/window_json.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "fodc/api/json_writer.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"

namespace fodc::api {
namespace {

constexpr std::size_t kBufferBytes = 32 * 1024;
constexpr std::size_t kNodesAtOnce = 4;
// Instants remembered; a row with more of them goes round.
constexpr std::size_t kStamps = 4096;
constexpr std::size_t kPointBytes = 64 + exposition::kMaxNumberBytes + 4;

template <typename Pairs>
void AppendObject(const Pairs& pairs, std::string* out) {
  out->push_back('{');
  bool first = true;
  for (const auto& [name, value] : pairs) {
    if (!first) out->push_back(',');
    first = false;
    AppendJsonString(out, name);
    out->push_back(':');
    AppendJsonString(out, value);
  }
  out->push_back('}');
}

}  // namespace

WindowJson::WindowJson(std::vector<std::unique_ptr<WindowRows>> rows)
    : rows_(std::move(rows)),
      stamps_(kStamps),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {}
WindowJson::~WindowJson() = default;

void WindowJson::MakeStamp(std::int64_t unix_ms, Stamp* stamp) {
  std::string text = "{\"timestamp\":\"";
  text += FormatInstant(unix_ms, unix_ms % 1000 == 0 ? 0 : 3);
  text += "\",\"value\":";
  stamp->unix_ms = unix_ms;
  stamp->bytes = static_cast<std::uint32_t>(text.size());
  std::memcpy(stamp->text, text.data(), text.size());
}

void WindowJson::BeginRow(std::string* out) {
  out->append(any_ ? ",{\"agent_id\":" : "{\"agent_id\":");
  any_ = true;
  AppendJsonString(out, row_.agent->id);
  out->append(",\"data\":[");
  point_ = 0;
  in_row_ = true;
  // The views of the row need not live until its end is written.
  tail_ = "],\"description\":";
  AppendJsonString(&tail_, row_.help);
  tail_ += ",\"labels\":";
  AppendObject(*row_.labels, &tail_);
  tail_ += ",\"name\":";
  AppendJsonString(&tail_, row_.name);
  tail_ += ",\"node_labels\":";
  AppendObject(row_.agent->identity.labels, &tail_);
  tail_ += ",\"node_role\":";
  AppendJsonString(&tail_, row_.agent->identity.role);
  tail_ += ",\"pod_name\":";
  AppendJsonString(&tail_, row_.pod_name);
  tail_ += '}';
}

char* WindowJson::AppendPoints(char* out, const char* limit) {
  const std::int64_t* const times = row_.unix_ms.data();
  const double* const values = row_.values.data();
  const std::size_t n = row_.values.size();
  std::size_t i = point_;
  for (; i < n && limit - out >= static_cast<std::ptrdiff_t>(kPointBytes);
       ++i) {
    Stamp& stamp = stamps_[i % kStamps];
    if (stamp.unix_ms != times[i] || stamp.bytes == 0) {
      MakeStamp(times[i], &stamp);
    }
    *out = ',';
    out += i != 0;
    std::memcpy(out, stamp.text, sizeof stamp.text);
    out += stamp.bytes;
    if (std::isfinite(values[i])) {
      out = exposition::AppendNumber(out, values[i]);
    } else {
      std::memcpy(out, "null", 4);
      out += 4;
    }
    *out++ = '}';
  }
  point_ = i;
  return out;
}

bool WindowJson::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  if (!std::exchange(begun_, true)) out->push_back('[');
  std::size_t ended = 0;
  while (rows_at_ < rows_.size()) {
    if (!in_row_) {
      if (out->size() >= stop) return true;
      if (!rows_[rows_at_]->Next(&row_)) {
        rows_[rows_at_++].reset();
        // Rows that are not asked for cost time, too.
        if (++ended == kNodesAtOnce) return true;
        continue;
      }
      BeginRow(out);
    }
    while (point_ < row_.values.size()) {
      if (out->size() >= stop) return true;
      const char* const end =
          AppendPoints(buffer_.get(), buffer_.get() + kBufferBytes);
      out->append(buffer_.get(), static_cast<std::size_t>(end - buffer_.get()));
    }
    out->append(tail_);
    in_row_ = false;
  }
  out->append("]\n");
  return false;
}

}  // namespace fodc::api
