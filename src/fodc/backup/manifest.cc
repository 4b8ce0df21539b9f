// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/manifest.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using nlohmann::json;

// Of kMaxPathBytes each may take six.
constexpr unsigned kLineBytes = 64u << 10;
constexpr unsigned kBufferBytes = 64u << 10;
constexpr int kVersion = 1;
constexpr char kInProgress[] = "in-progress";
constexpr char kComplete[] = "complete";

constexpr std::string_view kHexDigits = "0123456789abcdef";

// Names that are no UTF-8 cannot stand in JSON.
std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 15]);
  }
  return text;
}

std::optional<std::string> ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) return {};
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = kHexDigits.find(text[i]);
    const std::size_t low = kHexDigits.find(text[i + 1]);
    if (high == text.npos || low == text.npos) return {};
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}
std::optional<std::uint64_t> NumberAt(const json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_number_unsigned()) return {};
  return it->get<std::uint64_t>();
}

}  // namespace

Result<ManifestWriter> ManifestWriter::Create(const std::string& file,
                                              const ManifestHeader& header) {
  File opened(gzopen(file.c_str(), "wb1e"));
  if (!opened) return ErrnoStatus(errno, "open " + file);
  (void)gzbuffer(opened.get(), kBufferBytes);
  ManifestWriter writer(std::move(opened), file);
  std::string text = StrCat(
      "{\"version\":", kVersion, ",\"state\":\"",
      header.state == ManifestState::kComplete ? kComplete : kInProgress, "\"");
  for (const auto& [name, value] :
       {std::pair<const char*, std::string>{"node_id", header.node_id},
        {"catalog", header.catalog},
        {"snapshot", header.snapshot},
        {"tool", header.tool},
        {"started", FormatRfc3339(header.started, 9)}}) {
    text += StrCat(",\"", name, "\":");
    AppendJsonString(&text, value);
  }
  FODC_RETURN_IF_ERROR(writer.Write(text + ",\"files\":["));
  return writer;
}

Status ManifestWriter::Write(std::string_view text) {
  errno = 0;
  const int n =
      gzwrite(file_.get(), text.data(), static_cast<unsigned>(text.size()));
  if (static_cast<std::size_t>(n) == text.size()) return OkStatus();
  return ErrnoStatus(errno == 0 ? EIO : errno, "write " + name_);
}

Status ManifestWriter::Add(const ManifestEntry& entry) {
  if (entry.path.size() > kMaxPathBytes) {
    return InvalidArgument(StrCat("a path of ", entry.path.size(), " bytes: ",
                                  ToValidUtf8(entry.path.substr(0, 64)), "…"));
  }
  if (totals_.files != 0 && entry.path <= last_)
    return InvalidArgument(
        StrCat(ToValidUtf8(entry.path), " comes behind ", ToValidUtf8(last_)));
  std::string line = totals_.files == 0 ? "\n{" : ",\n{";
  if (IsValidUtf8(entry.path)) {
    line += "\"path\":";
    AppendJsonString(&line, entry.path);
  } else {
    line += StrCat("\"path_hex\":\"", Hex(entry.path), "\"");
  }
  line += StrCat(",\"bytes\":", entry.bytes, ",\"sha256\":\"",
                 object_store::Sha256Text(entry.sha256),
                 "\",\"mtime_ns\":", entry.mtime_ns, "}");
  FODC_RETURN_IF_ERROR(Write(line));
  last_ = entry.path;
  ++totals_.files;
  totals_.bytes += entry.bytes;
  return OkStatus();
}

Status ManifestWriter::Finish(UnixTime ended) {
  totals_.ended = ended;
  FODC_RETURN_IF_ERROR(Write(
      StrCat("\n],\"count\":", totals_.files, ",\"bytes\":", totals_.bytes,
             ",\"ended\":\"", FormatRfc3339(ended, 9), "\"}\n")));
  errno = 0;
  if (gzclose(file_.release()) != Z_OK)
    return ErrnoStatus(errno == 0 ? EIO : errno, "close " + name_);
  return OkStatus();
}

Result<ManifestReader> ManifestReader::Open(const std::string& file) {
  File opened(gzopen(file.c_str(), "rbe"));
  if (!opened) return ErrnoStatus(errno, "open " + file);
  (void)gzbuffer(opened.get(), kBufferBytes);
  ManifestReader reader(std::move(opened));
  reader.buffer_ = std::make_unique<char[]>(kLineBytes);
  FODC_ASSIGN_OR_RETURN(const std::string_view line, reader.Line());
  constexpr std::string_view kEnd = ",\"files\":[";
  if (!line.ends_with(kEnd)) return DataLoss("it is no manifest");
  const json header = json::parse(
      StrCat(line.substr(0, line.size() - kEnd.size()), "}"), nullptr, false);
  if (!header.is_object() || NumberAt(header, "version") != kVersion)
    return DataLoss("it is no manifest of a version that is known");
  const std::string state = TextAt(header, "state");
  const auto started = ParseRfc3339(TextAt(header, "started"));
  if ((state != kInProgress && state != kComplete) || !started.ok())
    return DataLoss("it is no manifest");
  reader.header_ = {.state = state == kComplete ? ManifestState::kComplete
                                                : ManifestState::kInProgress,
                    .node_id = TextAt(header, "node_id"),
                    .catalog = TextAt(header, "catalog"),
                    .snapshot = TextAt(header, "snapshot"),
                    .tool = TextAt(header, "tool"),
                    .started = *started};
  return reader;
}

Result<std::string_view> ManifestReader::Line() {
  ++line_;
  if (gzgets(file_.get(), buffer_.get(), kLineBytes) == nullptr) {
    int error = Z_OK;
    const char* const why = gzerror(file_.get(), &error);
    return DataLoss(StrCat("line ", line_, ": ",
                           error != Z_OK && *why != '\0' ? why : "it is cut"));
  }
  std::string_view line(buffer_.get());
  if (!line.ends_with('\n'))
    return DataLoss(StrCat("line ", line_, ": it has no end"));
  line.remove_suffix(1);
  return line;
}

Result<std::optional<ManifestEntry>> ManifestReader::Next() {
  if (is_over_) return std::optional<ManifestEntry>();
  FODC_ASSIGN_OR_RETURN(std::string_view line, Line());
  if (line.starts_with(']')) {
    FODC_RETURN_IF_ERROR(ReadEnd(line));
    // The check sum of the whole stands behind it.
    int error = Z_OK;
    if (gzgetc(file_.get()) != -1)
      return DataLoss(StrCat("line ", line_, ": there is more behind its end"));
    (void)gzerror(file_.get(), &error);
    if (error != Z_OK) return DataLoss("it is cut, or damaged");
    is_over_ = true;
    return std::optional<ManifestEntry>();
  }
  const auto bad = [this](std::string_view why) {
    return DataLoss(StrCat("line ", line_, ": ", why));
  };
  if (line.ends_with(',')) line.remove_suffix(1);
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return bad("it is no file");
  ManifestEntry entry{.path = TextAt(object, "path")};
  if (entry.path.empty())
    entry.path = ParseHex(TextAt(object, "path_hex")).value_or("");
  const auto bytes = NumberAt(object, "bytes");
  const auto digest = object_store::ParseSha256(TextAt(object, "sha256"));
  const auto mtime = object.find("mtime_ns");
  if (entry.path.size() > kMaxPathBytes) return bad("its path is too long");
  if (entry.path.empty() || !bytes || !digest || mtime == object.end() ||
      !mtime->is_number_integer()) {
    return bad("it lacks a path, bytes, sha256 or mtime_ns");
  }
  if (counted_.files != 0 && entry.path <= last_)
    return bad("its path does not ascend");
  entry.bytes = *bytes;
  entry.sha256 = *digest;
  entry.mtime_ns = mtime->get<std::int64_t>();
  last_ = entry.path;
  ++counted_.files;
  counted_.bytes += entry.bytes;
  return std::optional(std::move(entry));
}

Status ManifestReader::ReadEnd(std::string_view line) {
  const json end = json::parse(StrCat("{\"files\":[", line), nullptr, false);
  const auto ended = end.is_object() ? ParseRfc3339(TextAt(end, "ended"))
                                     : Result<UnixTime>(DataLoss("no end"));
  if (!ended.ok() || NumberAt(end, "count") != counted_.files ||
      NumberAt(end, "bytes") != counted_.bytes) {
    return DataLoss(
        StrCat("line ", line_, ": its end does not fit the files before it"));
  }
  totals_ = counted_;
  totals_.ended = *ended;
  return OkStatus();
}

}  // namespace fodc::backup
