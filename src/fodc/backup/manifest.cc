// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/manifest.h"

#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/backup/bundle_name.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"

namespace fodc::backup {
namespace {

using nlohmann::json;

// Of kMaxPathBytes each may take six, and what is sealed together a third more.
constexpr unsigned kLineBytes = 256u << 10;
constexpr unsigned kBufferBytes = 64u << 10;
// Of lines, that are sealed together; the last one may go beyond it.
constexpr std::size_t kSealedBytes = 32u << 10;
constexpr std::size_t kMaxUnsealedBytes = 128u << 10;
constexpr int kSealedLevel = 3;  // of zstd
constexpr std::string_view kBeforeFiles = ",\"files\":[";
constexpr std::string_view kSealed = "{\"sealed\":\"";
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

// Absent if it is there, and is no number.
std::optional<std::uint64_t> NumberOr(const json& object, const char* name,
                                      std::uint64_t other) {
  return object.contains(name) ? NumberAt(object, name) : other;
}

std::string PlaceText(const Place& place) {
  std::string text = StrCat(",\"bundle\":\"", BundleName(place.bundle), "\"");
  if (place.bundles != 1) text += StrCat(",\"bundles\":", place.bundles);
  return StrCat(text, ",\"at\":", place.at, ",\"stored\":", place.stored);
}

std::optional<Place> ParsePlace(const json& object) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  const auto bundle = ParseBundleName(TextAt(object, "bundle"));
  const auto bundles = NumberOr(object, "bundles", 1);
  const auto at = NumberAt(object, "at");
  const auto stored = NumberAt(object, "stored");
  if (!bundle || !bundles || !at || !stored) return {};
  const bool is_possible = *bundles > 0 && *bundle <= kMost - *bundles &&
                           *stored > 0 && *at <= kMost - *stored &&
                           (*bundles == 1 || *at == 0);
  if (!is_possible) return {};
  return Place{
      .bundle = *bundle, .bundles = *bundles, .at = *at, .stored = *stored};
}

}  // namespace

Result<ManifestWriter> ManifestWriter::Create(const std::string& file,
                                              const ManifestHeader& header,
                                              const SealKey* key) {
  File opened(gzopen(file.c_str(), "wb1e"));
  if (!opened) return ErrnoStatus(errno, "open " + file);
  (void)gzbuffer(opened.get(), kBufferBytes);
  ManifestWriter writer(std::move(opened), file);
  writer.layout_ = header.layout;
  std::string text = StrCat(
      "{\"version\":", static_cast<int>(header.layout), ",\"state\":\"",
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
  std::string salt;
  if (key != nullptr) {
    salt = NewSalt();
    text += StrCat(",\"sealed_by\":\"", key->id(), "\",\"salt\":\"", Hex(salt),
                   "\"");
  }
  text += kBeforeFiles;
  // A header that was changed opens nothing.
  if (key != nullptr) writer.sealer_.emplace(*key, salt, text);
  FODC_RETURN_IF_ERROR(writer.Write(text));
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
  if (layout_ == Layout::kBundles && entry.bytes != 0 && !entry.place)
    return InvalidArgument(ToValidUtf8(entry.path) + " is in no bundle");
  std::string line = "{";
  if (IsValidUtf8(entry.path)) {
    line += "\"path\":";
    AppendJsonString(&line, entry.path);
  } else {
    line += StrCat("\"path_hex\":\"", Hex(entry.path), "\"");
  }
  line += StrCat(",\"bytes\":", entry.bytes, ",\"sha256\":\"",
                 object_store::Sha256Text(entry.sha256),
                 "\",\"mtime_ns\":", entry.mtime_ns);
  if (layout_ == Layout::kBundles && entry.place)
    line += PlaceText(*entry.place);
  line += "}";
  if (sealer_) {
    unsealed_ += line + "\n";
    if (unsealed_.size() >= kSealedBytes)
      FODC_RETURN_IF_ERROR(WriteSealed(false));
  } else {
    FODC_RETURN_IF_ERROR(Write((is_first_ ? "\n" : ",\n") + line));
    is_first_ = false;
  }
  last_ = entry.path;
  ++totals_.files;
  totals_.bytes += entry.bytes;
  return OkStatus();
}

Status ManifestWriter::WriteSealed(bool is_last) {
  std::string packed(ZSTD_compressBound(unsealed_.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), unsealed_.data(),
                    unsealed_.size(), kSealedLevel);
  FODC_CHECK(ZSTD_isError(size) == 0);
  packed.resize(size);
  unsealed_.clear();
  const std::string line =
      StrCat(is_first_ ? "\n" : ",\n", kSealed,
             object_store::Base64(sealer_->Seal(packed, is_last)), "\"}");
  is_first_ = false;
  return Write(line);
}

Status ManifestWriter::Finish(UnixTime ended) {
  totals_.ended = ended;
  if (sealer_) FODC_RETURN_IF_ERROR(WriteSealed(true));
  FODC_RETURN_IF_ERROR(Write(
      StrCat("\n],\"count\":", totals_.files, ",\"bytes\":", totals_.bytes,
             ",\"ended\":\"", FormatRfc3339(ended, 9), "\"}\n")));
  errno = 0;
  if (gzclose(file_.release()) != Z_OK)
    return ErrnoStatus(errno == 0 ? EIO : errno, "close " + name_);
  return OkStatus();
}

Result<ManifestReader> ManifestReader::Open(const std::string& file,
                                            const SealKey* key) {
  File opened(gzopen(file.c_str(), "rbe"));
  if (!opened) return ErrnoStatus(errno, "open " + file);
  (void)gzbuffer(opened.get(), kBufferBytes);
  ManifestReader reader(std::move(opened));
  reader.buffer_ = std::make_unique<char[]>(kLineBytes);
  FODC_ASSIGN_OR_RETURN(const std::string_view line, reader.Line());
  if (!line.ends_with(kBeforeFiles)) return DataLoss("it is no manifest");
  const json header = json::parse(
      StrCat(line.substr(0, line.size() - kBeforeFiles.size()), "}"), nullptr,
      false);
  const auto version = header.is_object() ? NumberAt(header, "version")
                                          : std::optional<std::uint64_t>();
  if (version != static_cast<std::uint64_t>(Layout::kObjects) &&
      version != static_cast<std::uint64_t>(Layout::kBundles)) {
    return DataLoss("it is no manifest of a version that is known");
  }
  const std::string state = TextAt(header, "state");
  const auto started = ParseRfc3339(TextAt(header, "started"));
  if ((state != kInProgress && state != kComplete) || !started.ok())
    return DataLoss("it is no manifest");
  reader.header_ = {.layout = static_cast<Layout>(*version),
                    .state = state == kComplete ? ManifestState::kComplete
                                                : ManifestState::kInProgress,
                    .node_id = TextAt(header, "node_id"),
                    .catalog = TextAt(header, "catalog"),
                    .snapshot = TextAt(header, "snapshot"),
                    .tool = TextAt(header, "tool"),
                    .started = *started,
                    .sealed_by = TextAt(header, "sealed_by")};
  const auto salt = ParseHex(TextAt(header, "salt")).value_or("");
  if (!reader.header_.sealed_by.empty() && salt.size() != kSaltBytes)
    return DataLoss("it is sealed, without a salt");
  if (key == nullptr) return reader;
  reader.key_id_ = key->id();
  if (reader.header_.sealed_by == key->id())
    reader.unsealer_.emplace(*key, salt, std::string(line));
  return reader;
}

Status ManifestReader::CheckKey() const {
  if (header_.sealed_by.empty() || unsealer_) return OkStatus();
  return FailedPrecondition(StrCat(
      "it is sealed by key ", ToValidUtf8(header_.sealed_by.substr(0, 64)),
      key_id_.empty()
          ? std::string(": --encryption-key-file")
          : StrCat(", and --encryption-key-file has key ", key_id_)));
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

Status ManifestReader::Bad(std::string_view why) const {
  return DataLoss(StrCat("line ", line_, ": ", why));
}

Status ManifestReader::Unseal(std::string_view line) {
  const bool is_last = !line.ends_with(',');
  if (!is_last) line.remove_suffix(1);
  constexpr std::string_view kEnd = "\"}";
  if (!line.starts_with(kSealed) || !line.ends_with(kEnd))
    return Bad("it is not sealed");
  line.remove_prefix(kSealed.size());
  line.remove_suffix(kEnd.size());
  const auto sealed = object_store::ParseBase64(line);
  if (!sealed) return Bad("it is no Base64");
  auto packed = unsealer_->Open(*sealed, is_last);
  if (!packed.ok()) return Bad(packed.status().message());
  const auto size = ZSTD_getFrameContentSize(packed->data(), packed->size());
  // What says that it is of an unknown size, or is none, is far beyond it.
  if (size > kMaxUnsealedBytes) return Bad("what was sealed is too long");
  unsealed_.resize(size);
  at_ = 0;
  const std::size_t got = ZSTD_decompress(unsealed_.data(), unsealed_.size(),
                                          packed->data(), packed->size());
  if (ZSTD_isError(got) != 0 || got != unsealed_.size() ||
      (!unsealed_.empty() && !unsealed_.ends_with('\n'))) {
    return Bad("what was sealed is no list of files");
  }
  is_all_unsealed_ = is_last;
  return OkStatus();
}

Result<std::optional<std::string>> ManifestReader::NextFile() {
  for (;;) {
    if (at_ < unsealed_.size()) {
      const std::size_t end = unsealed_.find('\n', at_);
      std::string file = unsealed_.substr(at_, end - at_);
      at_ = end + 1;
      return std::optional(std::move(file));
    }
    FODC_ASSIGN_OR_RETURN(std::string_view line, Line());
    if (line.starts_with(']')) {
      if (unsealer_ && !is_all_unsealed_) return Bad("something is missing");
      FODC_RETURN_IF_ERROR(ReadEnd(line));
      return std::optional<std::string>();
    }
    if (unsealer_) {
      if (is_all_unsealed_) return Bad("there is more behind the last");
      FODC_RETURN_IF_ERROR(Unseal(line));
      continue;
    }
    if (line.ends_with(',')) line.remove_suffix(1);
    return std::optional<std::string>(line);
  }
}

Result<ManifestEntry> ManifestReader::ParseEntry(std::string_view line) const {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return Bad("it is no file");
  ManifestEntry entry{.path = TextAt(object, "path")};
  if (entry.path.empty())
    entry.path = ParseHex(TextAt(object, "path_hex")).value_or("");
  const auto bytes = NumberAt(object, "bytes");
  const auto digest = object_store::ParseSha256(TextAt(object, "sha256"));
  const auto mtime = object.find("mtime_ns");
  if (entry.path.size() > kMaxPathBytes) return Bad("its path is too long");
  if (entry.path.empty() || !bytes || !digest || mtime == object.end() ||
      !mtime->is_number_integer()) {
    return Bad("it lacks a path, bytes, sha256 or mtime_ns");
  }
  entry.bytes = *bytes;
  entry.sha256 = *digest;
  entry.mtime_ns = mtime->get<std::int64_t>();
  if (header_.layout == Layout::kBundles && object.contains("bundle")) {
    entry.place = ParsePlace(object);
    if (!entry.place) return Bad("it is in no bundle that there could be");
  }
  if (header_.layout == Layout::kBundles && *bytes != 0 && !entry.place)
    return Bad("it is in no bundle");
  return entry;
}

Result<std::optional<ManifestEntry>> ManifestReader::Next() {
  if (is_over_) return std::optional<ManifestEntry>();
  FODC_RETURN_IF_ERROR(CheckKey());
  FODC_ASSIGN_OR_RETURN(const std::optional<std::string> line, NextFile());
  if (!line) return std::optional<ManifestEntry>();
  FODC_ASSIGN_OR_RETURN(ManifestEntry entry, ParseEntry(*line));
  if (counted_.files != 0 && entry.path <= last_)
    return Bad("its path does not ascend");
  last_ = entry.path;
  ++counted_.files;
  counted_.bytes += entry.bytes;
  return std::optional(std::move(entry));
}

Status ManifestReader::SkipSealed() {
  while (!is_over_) {
    FODC_ASSIGN_OR_RETURN(const std::string_view line, Line());
    if (!line.starts_with(']')) continue;
    FODC_ASSIGN_OR_RETURN(totals_, ParseEnd(line));
    FODC_RETURN_IF_ERROR(Finish());
  }
  return OkStatus();
}

Result<ManifestTotals> ManifestReader::ParseEnd(std::string_view line) const {
  const json end = json::parse(StrCat("{\"files\":[", line), nullptr, false);
  if (!end.is_object()) return Bad("its end is none");
  const auto ended = ParseRfc3339(TextAt(end, "ended"));
  const auto files = NumberAt(end, "count");
  const auto bytes = NumberAt(end, "bytes");
  if (!ended.ok() || !files || !bytes) return Bad("its end is none");
  return ManifestTotals{.files = *files, .bytes = *bytes, .ended = *ended};
}

Status ManifestReader::ReadEnd(std::string_view line) {
  FODC_ASSIGN_OR_RETURN(const ManifestTotals end, ParseEnd(line));
  if (end.files != counted_.files || end.bytes != counted_.bytes)
    return Bad("its end does not fit the files before it");
  totals_ = end;
  return Finish();
}

// The check sum of the whole stands behind it.
Status ManifestReader::Finish() {
  int error = Z_OK;
  if (gzgetc(file_.get()) != -1) return Bad("there is more behind its end");
  (void)gzerror(file_.get(), &error);
  if (error != Z_OK) return DataLoss("it is cut, or damaged");
  is_over_ = true;
  return OkStatus();
}

}  // namespace fodc::backup
