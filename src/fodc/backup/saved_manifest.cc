// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/saved_manifest.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "fodc/backup/work_directory.h"
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

std::string BrokenManifestKey(std::string_view time_dir,
                              std::string_view catalog) {
  return ManifestKey(time_dir, catalog) + ".broken";
}

Result<std::optional<ManifestHeader>> ReadManifestHeader(
    object_store::ObjectStore& store, std::string_view time_dir,
    std::string_view catalog, const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const WorkDirectory work,
                        WorkDirectory::Make("fodc-manifest", SystemClock()));
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

Result<ManifestSummary> Summarize(object_store::ObjectStore& store,
                                  std::string_view time_dir,
                                  std::string_view catalog,
                                  const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const WorkDirectory work,
                        WorkDirectory::Make("fodc-manifest", SystemClock()));
  ManifestSummary summary;
  const std::string key = ManifestKey(time_dir, catalog);
  for (const std::string& name :
       {key, PreviousManifestKey(time_dir, catalog)}) {
    const std::string file = work.File("manifest");
    const Status s = Fetch(store, name, file, stop);
    if (s.code() == Code::kNotFound) continue;
    if (!s.ok() && s.code() != Code::kDataLoss) return s;
    auto reader =
        s.ok() ? ManifestReader::Open(file) : Result<ManifestReader>(s);
    if (!reader.ok()) continue;
    ManifestTotals totals;
    Status read;
    if (reader->CheckKey().ok()) {
      for (;;) {
        auto entry = reader->Next();
        read = entry.status();
        if (!entry.ok() || !*entry) break;
        ++totals.files;
        totals.bytes += (*entry)->bytes;
      }
    } else {
      read = reader->SkipSealed();
      if (read.ok()) totals = reader->totals();
    }
    if (name == key && read.ok()) summary.header = reader->header();
    summary.totals = totals;
    const bool is_under_way =
        totals.files == 0 &&
        reader->header().state == ManifestState::kInProgress;
    if (!is_under_way) return summary;
  }
  return summary;
}

Result<bool> SavedManifest::Try(object_store::ObjectStore& store,
                                const std::string& name,
                                const std::string& file,
                                const std::stop_token& stop, const SealKey* key,
                                bool is_own) {
  Status s = Fetch(store, name, file, stop);
  if (s.code() == Code::kNotFound) return false;
  // What is not as its digest says is of no more use than what is no manifest.
  if (!s.ok() && s.code() != Code::kDataLoss) return s;
  auto opened =
      s.ok() ? ManifestReader::Open(file, key) : Result<ManifestReader>(s);
  if (opened.ok()) FODC_RETURN_IF_ERROR(opened->CheckKey().WithContext(name));
  auto first = opened.ok()
                   ? opened->Next()
                   : Result<std::optional<ManifestEntry>>(opened.status());
  if (!first.ok()) {
    LogWarn("a manifest is of no use",
            {{"key", name}, {"error", first.status()}});
    is_damaged_ = is_damaged_ || is_own;
    return false;
  }
  if (is_own) header_ = opened->header();
  // Of a backup without files: an earlier one says nothing of it.
  const bool is_told =
      *first || opened->header().state == ManifestState::kComplete;
  if (!is_told) return false;
  source_ = opened->header();
  if (*first) {
    reader_ = *std::move(opened);
    next_ = *std::move(first);
  }
  return true;
}

Status SavedManifest::Open(object_store::ObjectStore& store,
                           std::string_view time_dir, std::string_view catalog,
                           const std::string& file, const std::stop_token& stop,
                           const SealKey* key) {
  FODC_ASSIGN_OR_RETURN(const bool is_told,
                        Try(store, ManifestKey(time_dir, catalog), file, stop,
                            key, /*is_own=*/true));
  if (is_told) return OkStatus();
  return Try(store, PreviousManifestKey(time_dir, catalog), file, stop, key,
             /*is_own=*/false)
      .status();
}

Status SavedManifest::OpenBroken(object_store::ObjectStore& store,
                                 std::string_view time_dir,
                                 std::string_view catalog,
                                 const std::string& file,
                                 const std::stop_token& stop,
                                 const SealKey* key) {
  return Try(store, BrokenManifestKey(time_dir, catalog), file, stop, key,
             /*is_own=*/false)
      .status();
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
