// SPDX-License-Identifier: Apache-2.0
// Who writes to a time directory: an object there that is made only if there is
// none, and renewed as long as its owner lives.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

struct LeaseOptions {
  std::string time_dir{};
  std::string owner{};  // for people: host and process
  // Whoever has not renewed it for so long is dead.
  std::chrono::nanoseconds ttl = std::chrono::minutes(1);
  // Between two who take over a dead one's at once: the later one keeps it.
  std::chrono::nanoseconds settle = std::chrono::seconds(2);
};

// Its end removes it, if it is still ours. Thread-safe.
class Lease {
 public:
  // `on_lost` is called once, on a thread of the lease, when another has it, or
  // when it could not be renewed in time: what is under way must end. `store`
  // and `clock` must outlive it.
  // Errors: kAlreadyExists naming the owner; those of the store.
  static Result<std::unique_ptr<Lease>> Take(
      object_store::ObjectStore& store, const LeaseOptions& options,
      const Clock& clock, const std::stop_token& stop,
      std::function<void(const Status&)> on_lost);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  static std::string KeyOf(std::string_view time_dir);

 private:
  Lease(object_store::ObjectStore& store, const LeaseOptions& options,
        const Clock& clock, std::function<void(const Status&)> on_lost);
  std::string Text() const;
  // What lies there; absent: nothing.
  struct Held {
    std::string id;
    std::string owner;
    UnixTime modified{};
  };
  Result<std::optional<Held>> Look(const std::stop_token& stop);
  // The store's own time.
  Result<UnixTime> StoreTime(const std::stop_token& stop);
  Status Put(bool only_if_absent, const std::stop_token& stop);
  Status TakeOver(const Held& held, const std::stop_token& stop);
  Status Wait(std::chrono::nanoseconds time, const std::stop_token& stop);
  void Renew(const std::stop_token& stop);

  object_store::ObjectStore& store_;
  const LeaseOptions options_;
  const Clock& clock_;
  const std::string id_;  // nobody else has it
  const std::string key_;
  const std::function<void(const Status&)> on_lost_;
  std::uint64_t renewals_ = 0;
  bool is_ours_ = false;
  std::jthread renewer_;  // last: it uses the others
};

}  // namespace fodc::backup
