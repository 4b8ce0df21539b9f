// SPDX-License-Identifier: Apache-2.0
#include "tests/support/recorded_traffic.h"

#include <zstd.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fodc/base/file.h"
#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

std::string Decompress(const std::string& in) {
  ZSTD_DStream* stream = ZSTD_createDStream();
  FODC_CHECK(stream != nullptr);
  std::string out;
  std::array<char, 1 << 16> piece;
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  while (source.pos < source.size) {
    ZSTD_outBuffer sink{piece.data(), piece.size(), 0};
    FODC_CHECK(!ZSTD_isError(ZSTD_decompressStream(stream, &sink, &source)));
    out.append(piece.data(), sink.pos);
  }
  // What the decoder still holds after the last byte of input.
  for (;;) {
    ZSTD_outBuffer sink{piece.data(), piece.size(), 0};
    (void)ZSTD_decompressStream(stream, &sink, &source);
    if (sink.pos == 0) break;
    out.append(piece.data(), sink.pos);
  }
  ZSTD_freeDStream(stream);
  return out;
}

std::string DecodeBase64(const std::string& text) {
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (char c : text) {
    int v = -1;
    if (c >= 'A' && c <= 'Z') v = c - 'A';
    if (c >= 'a' && c <= 'z') v = c - 'a' + 26;
    if (c >= '0' && c <= '9') v = c - '0' + 52;
    if (c == '+') v = 62;
    if (c == '/') v = 63;
    if (v < 0) continue;
    bits = (bits << 6) | static_cast<std::uint32_t>(v);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>((bits >> held) & 0xff));
    }
  }
  return out;
}

}  // namespace

std::string ReadTestData(const std::string& path) {
  Result<std::string> bytes = ReadFile(SourcePath(path), 256u << 20);
  FODC_CHECK(bytes.ok());
  if (path.ends_with(".zst")) return Decompress(*bytes);
  return *std::move(bytes);
}

std::vector<RecordedEvent> ReadRecordedTraffic(const std::string& name) {
  const std::string text = ReadTestData(StrCat("tests/data/wire/", name));
  std::vector<RecordedEvent> events;
  for (std::string_view line : Split(text, '\n')) {
    if (line.empty()) continue;
    const nlohmann::json j = nlohmann::json::parse(line);
    RecordedEvent e;
    e.t_ms = j.at("t_ms");
    e.link = j.at("link");
    e.method = j.at("method");
    e.call = j.at("call");
    e.kind = j.at("kind");
    e.bytes = DecodeBase64(j.value("bytes", ""));
    if (j.contains("json")) e.json = j["json"].dump();
    e.status = j.value("status", "");
    if (j.contains("metadata")) {
      for (const auto& [key, values] : j["metadata"].items()) {
        e.metadata[key] = values.at(0);
      }
    }
    events.push_back(std::move(e));
  }
  return events;
}

}  // namespace fodc::test
