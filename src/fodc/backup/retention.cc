// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/retention.h"

#include <ctime>
#include <set>
#include <utility>

#include "fodc/backup/listing.h"
#include "fodc/backup/node_mark.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/backup/time_dir.h"
#include "fodc/backup/verify.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using State = AgedBackup::State;

constexpr std::size_t kDeletedAtOnce = 1000;
constexpr std::size_t kDayBytes = 10;  // "2026-08-21"

std::string MetaPrefix(const std::string& time_dir) {
  return time_dir + "/.meta/";
}
std::string GoingKey(const std::string& time_dir) {
  return MetaPrefix(time_dir) + "going";
}

// The end of the day or hour that it is of.
UnixTime EndOf(const std::string& time_dir) {
  std::tm parts{};
  const bool is_day = time_dir.size() == kDayBytes;
  (void)::strptime(time_dir.c_str(), is_day ? "%Y-%m-%d" : "%Y-%m-%d-%H",
                   &parts);
  parts.tm_isdst = -1;
  if (is_day) {
    ++parts.tm_mday;
  } else {
    ++parts.tm_hour;
  }
  return UnixTime(std::chrono::seconds(std::mktime(&parts)));
}

// The newest complete one of each of the newest `most` slots.
void KeepNewestOf(const std::vector<AgedBackup>& all, std::int64_t most,
                  std::size_t slot_bytes, std::set<std::string>* kept) {
  std::set<std::string> slots;
  for (auto b = all.rbegin(); b != all.rend(); ++b) {
    if (b->state != State::kComplete) continue;
    if (static_cast<std::int64_t>(slots.size()) >= most) return;
    if (slots.insert(b->time_dir.substr(0, slot_bytes)).second)
      kept->insert(b->time_dir);
  }
}

Status DeleteAll(object_store::ObjectStore& store, const std::string& prefix,
                 const std::string& but, const std::stop_token& stop) {
  Listing listing(store, prefix, stop);
  std::vector<std::string> some;
  for (;;) {
    FODC_ASSIGN_OR_RETURN(auto info, listing.Next());
    if (info && info->key != but) some.push_back(std::move(info->key));
    if (some.size() >= kDeletedAtOnce || (!info && !some.empty())) {
      FODC_RETURN_IF_ERROR(store.Delete(some, stop));
      some.clear();
    }
    if (!info) return OkStatus();
  }
}

}  // namespace

std::vector<std::string> WhatGoes(const std::vector<AgedBackup>& all,
                                  const RetentionRules& rules, UnixTime now) {
  std::string newest;
  for (const AgedBackup& b : all) {
    if (b.state == State::kComplete) newest = b.time_dir;
  }
  std::set<std::string> kept;
  KeepNewestOf(all, rules.last, std::string::npos, &kept);
  KeepNewestOf(all, rules.daily, kDayBytes, &kept);
  KeepNewestOf(all, rules.hourly, std::string::npos, &kept);
  std::vector<std::string> going;
  for (const AgedBackup& b : all) {
    const bool is_kept = rules.is_empty() || b.state == State::kUnknown ||
                         b.time_dir >= newest || kept.contains(b.time_dir) ||
                         (rules.within > std::chrono::nanoseconds(0) &&
                          now - EndOf(b.time_dir) <= rules.within);
    if (!is_kept || b.state == State::kGoing) going.push_back(b.time_dir);
  }
  return going;
}

Result<std::vector<AgedBackup>> ListAged(object_store::ObjectStore& store,
                                         const std::string& node_id,
                                         const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListTimeDirs(store, "", stop));
  std::vector<AgedBackup> all;
  for (const std::string& name : names) {
    if (!IsTimeDirName(name)) continue;
    if (!node_id.empty()) {
      FODC_ASSIGN_OR_RETURN(const auto mark, ReadNodeMark(store, name, stop));
      if (mark && *mark != node_id) continue;
    }
    AgedBackup one{.time_dir = name};
    const auto going = store.Head(GoingKey(name), stop);
    if (!going.ok() && going.status().code() != Code::kNotFound)
      return going.status();
    FODC_ASSIGN_OR_RETURN(const std::vector<std::string> catalogs,
                          ListCatalogs(store, name, stop));
    if (!catalogs.empty()) one.state = State::kComplete;
    for (const std::string& catalog : catalogs) {
      FODC_ASSIGN_OR_RETURN(const auto header,
                            ReadManifestHeader(store, name, catalog, stop));
      if (!header || header->state != ManifestState::kComplete)
        one.state = State::kPartial;
    }
    if (going.ok()) one.state = State::kGoing;
    all.push_back(std::move(one));
  }
  return all;
}

Status RemoveBackup(object_store::ObjectStore& store,
                    const std::string& time_dir, const std::stop_token& stop) {
  const std::string mark = GoingKey(time_dir);
  const object_store::MemoryBlob blob("");
  FODC_ASSIGN_OR_RETURN(const auto digests,
                        DigestsOf(blob, store.digest_kinds()));
  FODC_RETURN_IF_ERROR(store.Put(mark, blob, digests, {.stop = stop}));
  FODC_RETURN_IF_ERROR(store.Sync(stop));
  // Its manifests before what they speak of.
  FODC_RETURN_IF_ERROR(DeleteAll(store, MetaPrefix(time_dir), mark, stop));
  FODC_RETURN_IF_ERROR(DeleteAll(store, time_dir + "/", mark, stop));
  FODC_RETURN_IF_ERROR(store.Delete({mark}, stop));
  return store.Sync(stop);
}

}  // namespace fodc::backup
