// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/lease.h"

#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using nlohmann::json;
using object_store::MemoryBlob;
using object_store::ObjectInfo;

constexpr std::size_t kMaxBytes = 64u << 10;
constexpr int kTries = 3;

std::string NewId() {
  std::random_device random;
  char text[33];
  (void)std::snprintf(text, sizeof text, "%08x%08x%08x%08x", random(), random(),
                      random(), random());
  return text;
}

std::string TextAt(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

std::string Lease::KeyOf(std::string_view time_dir) {
  return StrCat(time_dir, "/.meta/lease");
}

Lease::Lease(object_store::ObjectStore& store, const LeaseOptions& options,
             const Clock& clock, std::function<void(const Status&)> on_lost)
    : store_(store),
      options_(options),
      clock_(clock),
      id_(NewId()),
      key_(KeyOf(options.time_dir)),
      on_lost_(std::move(on_lost)) {}

Lease::~Lease() {
  renewer_ = {};
  if (!is_ours_) return;
  const auto held = Look({});
  if (held.ok() && *held && (*held)->id == id_)
    store_.Delete({key_}, {}).IgnoreError();  // it is stale soon, anyway
  store_.Sync({}).IgnoreError();
}

std::string Lease::Text() const {
  return json{
      {"id", id_},
      {"owner", options_.owner},
      {"ttl_seconds", std::chrono::duration<double>(options_.ttl).count()},
      {"renewals", renewals_}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Status Lease::Put(bool only_if_absent, const std::stop_token& stop) {
  const std::string text = Text();
  const MemoryBlob blob(text);
  FODC_ASSIGN_OR_RETURN(const auto digests,
                        DigestsOf(blob, store_.digest_kinds()));
  FODC_RETURN_IF_ERROR(store_.Put(
      key_, blob, digests, {.stop = stop, .only_if_absent = only_if_absent}));
  return store_.Sync(stop);
}

Result<std::optional<Lease::Held>> Lease::Look(const std::stop_token& stop) {
  // Of all stores a listing tells when it was written.
  FODC_ASSIGN_OR_RETURN(const object_store::ListPage page,
                        store_.List({.prefix = key_}, stop));
  if (page.objects.empty() || page.objects.front().key != key_)
    return std::optional<Held>();
  std::string text;
  const auto got = store_.Get(key_, {.stop = stop}, [&](std::string_view p) {
    if (text.size() + p.size() > kMaxBytes)
      return DataLoss(StrCat(key_, ": it is no lease"));
    text += p;
    return OkStatus();
  });
  if (got.status().code() == Code::kNotFound) return std::optional<Held>();
  FODC_RETURN_IF_ERROR(got.status());
  const json lease = json::parse(text, nullptr, false);
  return std::optional(Held{.id = TextAt(lease, "id"),
                            .owner = TextAt(lease, "owner"),
                            .modified = page.objects.front().modified});
}

// Clocks of two machines may be hours apart.
Result<UnixTime> Lease::StoreTime(const std::stop_token& stop) {
  const std::string key = StrCat(key_, ".time-", id_);
  const MemoryBlob blob(id_);
  FODC_ASSIGN_OR_RETURN(const auto digests,
                        DigestsOf(blob, store_.digest_kinds()));
  FODC_RETURN_IF_ERROR(store_.Put(key, blob, digests, {.stop = stop}));
  FODC_RETURN_IF_ERROR(store_.Sync(stop));
  const auto page = store_.List({.prefix = key}, stop);
  store_.Delete({key}, {}).IgnoreError();
  FODC_RETURN_IF_ERROR(page.status());
  if (page->objects.empty())
    return Unavailable(StrCat(key, " was put, and is not listed"));
  return page->objects.front().modified;
}

Status Lease::Wait(std::chrono::nanoseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  (void)never.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested() ? Cancelled("stopped") : OkStatus();
}

Status Lease::TakeOver(const Held& held, const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const UnixTime now, StoreTime(stop));
  if (now - held.modified < options_.ttl) {
    return AlreadyExists(StrCat(options_.time_dir, ": ",
                                ToValidUtf8(held.owner),
                                " writes there, as its lease says"));
  }
  LogWarn("a lease that was not renewed is taken over",
          {{"key", key_}, {"owner", ToValidUtf8(held.owner)}});
  FODC_RETURN_IF_ERROR(Put(/*only_if_absent=*/false, stop));
  FODC_RETURN_IF_ERROR(Wait(options_.settle, stop));
  FODC_ASSIGN_OR_RETURN(const std::optional<Held> after, Look(stop));
  if (after && after->id == id_) return OkStatus();
  return AlreadyExists(StrCat(options_.time_dir, ": ",
                              after ? ToValidUtf8(after->owner) : "somebody",
                              " has taken the lease at the same time"));
}

Result<std::unique_ptr<Lease>> Lease::Take(
    object_store::ObjectStore& store, const LeaseOptions& options,
    const Clock& clock, const std::stop_token& stop,
    std::function<void(const Status&)> on_lost) {
  std::unique_ptr<Lease> lease(
      new Lease(store, options, clock, std::move(on_lost)));
  Status s;
  for (int i = 0; i < kTries; ++i) {
    s = lease->Put(/*only_if_absent=*/true, stop);
    if (s.code() != Code::kAlreadyExists) break;
    FODC_ASSIGN_OR_RETURN(const std::optional<Held> held, lease->Look(stop));
    if (!held) continue;  // it went meanwhile
    s = lease->TakeOver(*held, stop);
    break;
  }
  FODC_RETURN_IF_ERROR(s);
  lease->is_ours_ = true;
  Lease* const l = lease.get();
  l->renewer_ =
      std::jthread([l](const std::stop_token& end) { l->Renew(end); });
  return lease;
}

void Lease::Renew(const std::stop_token& stop) {
  MonotonicTime renewed_at = clock_.Monotonic();
  while (Wait(options_.ttl / 3, stop).ok()) {
    auto held = Look(stop);
    Status s = held.status();
    if (s.ok() && *held && (*held)->id != id_) {
      is_ours_ = false;
      return on_lost_(AlreadyExists(StrCat(options_.time_dir, ": ",
                                           ToValidUtf8((*held)->owner),
                                           " has taken the lease")));
    }
    ++renewals_;
    if (s.ok()) s = Put(/*only_if_absent=*/false, stop);
    if (s.ok()) {
      renewed_at = clock_.Monotonic();
    } else if (!stop.stop_requested() &&
               clock_.Monotonic() - renewed_at >= options_.ttl) {
      return on_lost_(
          std::move(s).WithContext("the lease could not be renewed"));
    }
  }
}

}  // namespace fodc::backup
