// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/stored_files.h"

#include <algorithm>
#include <utility>

#include "fodc/backup/bundle_name.h"
#include "fodc/backup/piece.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using object_store::Digester;
using object_store::ObjectStore;

// Of a group that is fetched by one request.
constexpr std::uint64_t kMostStored = 32u << 20;
constexpr std::size_t kMostFiles = 4096;
// That is fetched in vain rather than by another request.
constexpr std::uint64_t kMostGap = 256u << 10;

bool IsDamage(const Status& s) {
  return s.code() == Code::kDataLoss || s.code() == Code::kNotFound;
}

// The bytes of one file, against what the manifest says of them.
class Checked {
 public:
  Checked(const ManifestEntry& file, StoredFileSink* sink)
      : file_(file), sink_(sink) {}

  Status Write(std::string_view bytes) {
    if (bytes.size() > file_.bytes - got_)
      return DataLoss(StrCat("it has more than its ", file_.bytes, " bytes"));
    got_ += bytes.size();
    digester_.Update(bytes);
    return sink_->Write(bytes);
  }
  Status Finish() {
    if (got_ != file_.bytes)
      return DataLoss(StrCat("it has ", got_, " bytes, and had ", file_.bytes));
    return digester_.Finish().sha256 == file_.sha256
               ? OkStatus()
               : DataLoss("its bytes are not those of its SHA-256");
  }

 private:
  const ManifestEntry& file_;
  StoredFileSink* const sink_;
  Digester digester_;
  std::uint64_t got_ = 0;
};

// One reading; what the sink and its caller's stop say ends it.
class Reading {
 public:
  Reading(ObjectStore& store, const std::string& prefix, const SealKey* key,
          const std::stop_token& stop, StoredFileSink* sink)
      : store_(store), prefix_(prefix), key_(key), stop_(stop), sink_(sink) {}

  // Files of one bundle.
  Status Neighbours(std::span<const ManifestEntry> files);
  // A file of many bundles.
  Status Spread(const ManifestEntry& file);

 private:
  // Which of the sink's failures is no damage of the store's.
  Status Told(Status s) {
    if (!s.ok()) failure_ = s;
    return s;
  }
  Status Take(std::string_view piece);
  Status EndOfFile(const Status& came);
  Status BeginNext();
  // Those that are nowhere, for they have no bytes.
  Status PassEmpty();

  ObjectStore& store_;
  const std::string& prefix_;
  const SealKey* const key_;
  const std::stop_token stop_;
  StoredFileSink* const sink_;
  Status failure_;

  std::span<const ManifestEntry> files_;  // that are not over
  std::uint64_t at_ = 0;                  // in the bundle
  std::optional<Checked> checked_;        // of the first of them
  std::optional<PieceDecoder> decoder_;
  Status damage_;  // of that one
};

Status Reading::BeginNext() {
  const ManifestEntry& file = files_.front();
  checked_.emplace(file, sink_);
  decoder_.emplace(file.place ? file.place->stored : 0, key_);
  damage_ = OkStatus();
  return Told(sink_->Begin(file));
}

Status Reading::EndOfFile(const Status& came) {
  checked_.reset();
  files_ = files_.subspan(1);
  FODC_RETURN_IF_ERROR(Told(sink_->End(came)));
  return PassEmpty();
}

Status Reading::PassEmpty() {
  while (!files_.empty() && !files_.front().place) {
    FODC_RETURN_IF_ERROR(BeginNext());
    const Status came = checked_->Finish();
    checked_.reset();
    files_ = files_.subspan(1);
    FODC_RETURN_IF_ERROR(Told(sink_->End(came)));
  }
  return OkStatus();
}

// Of the bundle, in its order.
Status Reading::Take(std::string_view bytes) {
  while (!bytes.empty() && !files_.empty()) {
    const Place& place = *files_.front().place;
    if (!checked_) FODC_RETURN_IF_ERROR(BeginNext());
    if (at_ < place.at) {
      const auto skipped = static_cast<std::size_t>(
          std::min<std::uint64_t>(bytes.size(), place.at - at_));
      bytes.remove_prefix(skipped);
      at_ += skipped;
      continue;
    }
    const std::uint64_t end = place.at + place.stored;
    const auto some = static_cast<std::size_t>(
        std::min<std::uint64_t>(bytes.size(), end - at_));
    if (damage_.ok()) {
      Status s = decoder_->Write(bytes.substr(0, some), [this](auto piece) {
        const Status w = checked_->Write(piece);
        // A disk that is full is no damage.
        return w.code() == Code::kDataLoss ? w : Told(w);
      });
      FODC_RETURN_IF_ERROR(failure_);
      if (!s.ok() && !IsDamage(s)) return Told(std::move(s));
      damage_ = std::move(s);
    }
    bytes.remove_prefix(some);
    at_ += some;
    if (at_ < end) continue;
    if (damage_.ok()) damage_ = decoder_->Finish();
    if (damage_.ok()) damage_ = checked_->Finish();
    FODC_RETURN_IF_ERROR(EndOfFile(damage_));
  }
  return OkStatus();
}

Status Reading::Neighbours(std::span<const ManifestEntry> files) {
  files_ = files;
  FODC_RETURN_IF_ERROR(PassEmpty());
  if (files_.empty()) return OkStatus();
  at_ = files_.front().place->at;
  const auto last =
      std::find_if(files.rbegin(), files.rend(),
                   [](const ManifestEntry& file) { return file.place; });
  const auto got =
      store_.Get(prefix_ + BundlePath(last->place->bundle),
                 {.stop = stop_,
                  .offset = at_,
                  .bytes = last->place->at + last->place->stored - at_},
                 [this](std::string_view bytes) { return Take(bytes); });
  FODC_RETURN_IF_ERROR(failure_);
  const bool is_damage =
      IsDamage(got.status()) || got.status().code() == Code::kInvalidArgument;
  if (!got.ok() && !is_damage) return got.status();
  // Its bundle is gone, or shorter than it was.
  while (!files_.empty()) {
    if (!checked_) FODC_RETURN_IF_ERROR(BeginNext());
    FODC_RETURN_IF_ERROR(
        EndOfFile(got.status().code() == Code::kNotFound
                      ? got.status()
                      : DataLoss("its bundle is shorter than it was")));
  }
  return OkStatus();
}

Status Reading::Spread(const ManifestEntry& file) {
  FODC_RETURN_IF_ERROR(sink_->Begin(file));
  Checked checked(file, sink_);
  const auto all = [&]() -> Status {
    for (std::uint64_t i = 0; i < file.place->bundles; ++i) {
      const std::string name = prefix_ + BundlePath(file.place->bundle + i);
      FODC_ASSIGN_OR_RETURN(const auto info, store_.Head(name, stop_));
      PieceDecoder decoder(info.bytes, key_);
      const object_store::ByteSink out = [&](std::string_view bytes) {
        const Status w = checked.Write(bytes);
        return w.code() == Code::kDataLoss ? w : Told(w);
      };
      const auto got = store_.Get(name, {.stop = stop_}, [&](auto bytes) {
        return decoder.Write(bytes, out);
      });
      FODC_RETURN_IF_ERROR(failure_);
      FODC_RETURN_IF_ERROR(got.status());
      FODC_RETURN_IF_ERROR(decoder.Finish());
    }
    return checked.Finish();
  };
  Status came = all();
  FODC_RETURN_IF_ERROR(failure_);
  if (!came.ok() && !IsDamage(came)) return came;
  return sink_->End(came);
}

}  // namespace

bool StoredGroup::Add(const ManifestEntry& entry) {
  if (entry.place && last_) {
    const std::uint64_t end = last_->at + last_->stored;
    const bool is_next = entry.place->bundle == last_->bundle &&
                         entry.place->bundles == 1 && last_->bundles == 1 &&
                         entry.place->at >= end &&
                         entry.place->at - end <= kMostGap;
    if (!is_next || stored_ >= kMostStored) return false;
  }
  // A large one goes alone.
  const bool is_alone = (entry.place && entry.place->bundles != 1) ||
                        (last_ && last_->bundles != 1);
  if (!files_.empty() && (is_alone || files_.size() >= kMostFiles))
    return false;
  files_.push_back(entry);
  if (entry.place) {
    stored_ += entry.place->stored;
    last_ = entry.place;
  }
  return true;
}

Status ReadStored(ObjectStore& store, const std::string& prefix,
                  std::span<const ManifestEntry> files, const SealKey* key,
                  const std::stop_token& stop, StoredFileSink* sink) {
  if (files.empty()) return OkStatus();
  Reading reading(store, prefix, key, stop, sink);
  const ManifestEntry& first = files.front();
  return first.place && first.place->bundles != 1 ? reading.Spread(first)
                                                  : reading.Neighbours(files);
}

}  // namespace fodc::backup
