// SPDX-License-Identifier: Apache-2.0
// Small JSON documents, written in the order of the calls.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"

namespace fodc::api {

// RFC 3339 in UTC. A stranger's clock may say anything: beyond what UnixTime
// can hold, the last instant that it can.
inline std::string FormatInstant(std::int64_t unix_ms, int digits) {
  constexpr std::int64_t kMaxUnixMs = 9'200'000'000'000;
  return FormatRfc3339(
      FromUnixMillis(std::clamp(unix_ms, -kMaxUnixMs, kMaxUnixMs)), digits);
}

// Appends to `*out`, which must outlive it. The caller balances what it opens.
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key) {
    Separate();
    AppendJsonString(out_, key);
    out_->push_back(':');
    fresh_ = true;
  }
  void String(std::string_view value) {
    Separate();
    AppendJsonString(out_, value);
  }
  void Bool(bool value) {
    Separate();
    out_->append(value ? "true" : "false");
  }
  void Null() {
    Separate();
    out_->append("null");
  }
  // A value that is JSON already.
  void Raw(std::string_view json) {
    Separate();
    out_->append(json);
  }
  template <std::integral T>
  void Int(T value) {
    Separate();
    out_->append(std::to_string(value));
  }
  // NaN and infinities are null.
  void Number(double value) {
    if (!std::isfinite(value)) return Null();
    Separate();
    exposition::AppendNumber(out_, value);
  }

  template <typename Map>
  void Strings(std::string_view key, const Map& map) {
    Key(key);
    BeginObject();
    for (const auto& [name, value] : map) {
      Key(name);
      String(value);
    }
    EndObject();
  }

 private:
  void Separate() {
    if (!fresh_) out_->push_back(',');
    fresh_ = false;
  }
  void Open(char c) {
    Separate();
    out_->push_back(c);
    fresh_ = true;
  }
  void Close(char c) {
    out_->push_back(c);
    fresh_ = false;
  }

  std::string* out_;
  bool fresh_ = true;
};

}  // namespace fodc::api
