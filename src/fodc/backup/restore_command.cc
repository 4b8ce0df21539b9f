// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "fodc/backup/command_output.h"
#include "fodc/backup/commands.h"
#include "fodc/backup/held_lock.h"
#include "fodc/backup/metrics.h"
#include "fodc/backup/metrics_server.h"
#include "fodc/backup/time_dir.h"
#include "fodc/backup/verify.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {
namespace {

constexpr std::chrono::milliseconds kNodeLook{500};

bool Connects(const addrinfo& to) {
  const UniqueFd fd(::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 0, .tv_usec = kNodeLook.count() * 1000};
  if (!fd.ok() || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
                               sizeof limit) != 0) {
    return false;
  }
  return ::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0;
}

// "127.0.0.1:17912", "[::1]:17912", "node:17912", ":17912": whether somebody
// answers there. A name that is not known is nobody's: that of a node that is
// stopped may be gone with it.
bool Answers(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) return false;
  const std::string port = address.substr(colon + 1);
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  port.c_str(), &hints, &found);
  if (error != 0) {
    LogWarn("the node cannot be asked whether it runs",
            {{"address", address}, {"error", ::gai_strerror(error)}});
    return false;
  }
  bool answers = false;
  for (const addrinfo* i = found; i != nullptr && !answers; i = i->ai_next)
    answers = Connects(*i);
  ::freeaddrinfo(found);
  return answers;
}

// What is asked for, one catalog after the other.
class Restorer {
 public:
  Restorer(object_store::ObjectStore& store, const RestoreFlags& flags,
           std::shared_ptr<const SealKey> key, Metrics& metrics,
           const std::stop_token& stop)
      : store_(store),
        flags_(flags),
        metrics_(metrics),
        stop_(stop),
        options_(flags.restore) {
    options_.download_concurrency =
        static_cast<std::size_t>(flags.download_concurrency);
    options_.key = std::move(key);
  }

  Outcome All();

 private:
  // Whether somebody works in the catalog's directory, who is named.
  bool IsInUse(const std::string& directory);
  // The outcome so far, with this one.
  void One(const std::string& catalog, const std::string& directory);

  object_store::ObjectStore& store_;
  const RestoreFlags& flags_;
  Metrics& metrics_;
  const std::stop_token stop_;
  RestoreOptions options_;
  std::deque<RestoreCounters> counters_;  // they stay in place
  Outcome outcome_ = Outcome::kSuccess;
  std::size_t tried_ = 0;
  std::size_t failed_ = 0;
};

void Restorer::One(const std::string& catalog, const std::string& directory) {
  RestoreCounters& counters = counters_.emplace_back();
  metrics_.Restoring(catalog, &counters);
  const RestoreReport report =
      RestoreCatalog(store_, catalog, directory, options_, stop_, &counters);
  if (report.time_dir.empty() && report.status.ok()) return;
  ++tried_;
  LogInfo(report.status.ok() ? "restored" : "not restored",
          {{"catalog", report.catalog},
           {"time_dir", report.time_dir},
           {"downloaded", counters.downloaded.load()},
           {"unchanged", counters.unchanged.load()},
           {"deleted", counters.deleted.load()}});
  if (report.status.ok()) return;
  ++failed_;
  const Outcome one = Fail(report.status);
  if (report.status.code() == Code::kDataLoss) {
    outcome_ = Outcome::kIntegrity;
  } else if (outcome_ != Outcome::kIntegrity) {
    outcome_ = one == Outcome::kUsage ? Outcome::kFailure : one;
  }
}

bool Restorer::IsInUse(const std::string& directory) {
  const bool looks = !flags_.is_forced && !options_.is_check &&
                     !options_.is_dry_run && ReadTimeDir(directory).ok();
  if (!looks) return false;
  const auto held = FindHeldLock(directory + "/data");
  if (held.ok() && held->empty()) return false;
  ++tried_;
  ++failed_;
  outcome_ =
      held.ok()
          ? Fail(FailedPrecondition(StrCat(*held,
                                           " is locked: stop who uses the "
                                           "directory before its files change "
                                           "(--force)")),
                 Outcome::kRefused)
          : Fail(held.status());
  return true;
}

Outcome Restorer::All() {
  if (!flags_.target_directory.empty()) {
    const auto there = ListDirectory(flags_.target_directory);
    const bool is_safe = flags_.is_forced || options_.is_check ||
                         options_.is_dry_run || !there.ok() || there->empty();
    if (!is_safe) {
      return Fail(FailedPrecondition(StrCat(
                      flags_.target_directory,
                      " is not empty; what the backup does not have would be "
                      "removed there (--force)")),
                  Outcome::kRefused);
    }
    options_.time_dir = flags_.time_dir;
    if (options_.time_dir.empty()) {
      const auto newest = NewestWhole(store_, flags_.catalog_name, "", stop_);
      if (!newest.ok()) return Fail(newest.status());
      options_.time_dir = *newest;
    }
    One(flags_.catalog_name, flags_.target_directory);
    return outcome_;
  }
  for (const std::string_view catalog : kCatalogs) {
    const std::string root = flags_.roots.Of(catalog);
    if (root.empty()) continue;
    const std::string directory = StrCat(root, "/", catalog);
    if (!IsInUse(directory)) One(std::string(catalog), directory);
    if (stop_.stop_requested()) return outcome_;
  }
  if (outcome_ == Outcome::kFailure && failed_ < tried_)
    outcome_ = Outcome::kPartial;
  return outcome_;
}

}  // namespace

Outcome CommandRestore(const RestoreFlags& flags, const Clock& clock,
                       const std::stop_token& stop) {
  // Another database is another's to stop.
  if (flags.target_directory.empty() && !flags.is_forced &&
      !flags.restore.is_check && Answers(flags.node_address)) {
    return Fail(FailedPrecondition(StrCat(
                    "the node at ", flags.node_address,
                    " answers: stop it before its files change (--force)")),
                Outcome::kRefused);
  }
  auto key = LoadKey(flags.encryption_key_file);
  if (!key.ok()) return Fail(key.status());
  Metrics metrics;
  DestinationFlags source = flags.source;
  source.store.client.on_attempt =
      [&metrics](const object_store::AttemptReport& r) {
        metrics.OnAttempt(r);
      };
  auto store = OpenDestination(std::move(source), clock);
  if (!store.ok()) return Fail(store.status());
  Restorer restorer(**store, flags, *std::move(key), metrics, stop);
  // It tells what the restorer counts, and goes before it.
  std::unique_ptr<MetricsServer> server;
  if (!flags.metrics_address.empty()) {
    auto started = MetricsServer::Start(flags.metrics_address, metrics);
    if (!started.ok())
      return Fail(started.status().WithContext("--metrics-addr"));
    server = *std::move(started);
  }
  return restorer.All();
}

}  // namespace fodc::backup
