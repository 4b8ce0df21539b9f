// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/saved_manifest.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

// Holds the first line, however well its end compresses.
constexpr std::uint64_t kHeadBytes = 64u << 10;

Status Fetch(object_store::ObjectStore& store, const std::string& key,
             const std::string& file, const std::stop_token& stop,
             std::optional<std::uint64_t> bytes = {}) {
  const UniqueFd fd(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + file);
  return store
      .Get(key, {.stop = stop, .bytes = bytes},
           [&](std::string_view piece) {
             return WriteAll(fd.get(), piece, file);
           })
      .status();
}

}  // namespace

std::string ManifestKey(std::string_view time_dir, std::string_view catalog) {
  return StrCat(time_dir, "/.meta/", catalog, ".json");
}

std::string PreviousManifestKey(std::string_view time_dir,
                                std::string_view catalog) {
  return ManifestKey(time_dir, catalog) + ".previous";
}

Result<std::optional<ManifestHeader>> ReadManifestHeader(
    object_store::ObjectStore& store, std::string_view time_dir,
    std::string_view catalog, const std::stop_token& stop) {
  const TempDirectory work("fodc-manifest");
  const std::string file = work.File("head");
  const Status s =
      Fetch(store, ManifestKey(time_dir, catalog), file, stop, kHeadBytes);
  if (!s.ok() && s.code() != Code::kNotFound && s.code() != Code::kDataLoss)
    return s;
  const auto reader =
      s.ok() ? ManifestReader::Open(file) : Result<ManifestReader>(s);
  return reader.ok() ? std::optional(reader->header())
                     : std::optional<ManifestHeader>();
}

Status SavedManifest::Open(object_store::ObjectStore& store,
                           std::string_view time_dir, std::string_view catalog,
                           const std::string& file,
                           const std::stop_token& stop) {
  const std::string key = ManifestKey(time_dir, catalog);
  for (const std::string& name :
       {key, PreviousManifestKey(time_dir, catalog)}) {
    Status s = Fetch(store, name, file, stop);
    if (s.code() == Code::kNotFound) continue;
    // What is not as its digest says is of no more use than what is no
    // manifest.
    if (!s.ok() && s.code() != Code::kDataLoss) return s;
    auto opened =
        s.ok() ? ManifestReader::Open(file) : Result<ManifestReader>(s);
    if (!opened.ok()) {
      LogWarn("a manifest is of no use",
              {{"key", name}, {"error", opened.status()}});
      continue;
    }
    auto first = opened->Next();
    if (!first.ok()) {
      LogWarn("a manifest is damaged",
              {{"key", name}, {"error", first.status()}});
      continue;
    }
    if (name == key) header_ = opened->header();
    if (!*first) {
      // Of a backup without files: an earlier one says nothing of it.
      if (opened->header().state == ManifestState::kComplete) return OkStatus();
      continue;
    }
    reader_ = *std::move(opened);
    next_ = *std::move(first);
    return OkStatus();
  }
  return OkStatus();
}

Result<std::optional<ManifestEntry>> SavedManifest::Next() {
  std::optional<ManifestEntry> entry = std::exchange(next_, {});
  if (entry) {
    FODC_ASSIGN_OR_RETURN(next_, reader_->Next());
  }
  return entry;
}

Result<std::optional<ManifestEntry>> SavedManifest::Find(
    const std::string& path) {
  while (next_ && next_->path < path) {
    auto next = reader_->Next();
    if (!next.ok())
      LogWarn("a manifest is damaged", {{"error", next.status()}});
    next_ = next.ok() ? *std::move(next) : std::nullopt;
  }
  if (!next_ || next_->path != path) return std::optional<ManifestEntry>();
  return next_;
}

}  // namespace fodc::backup
