// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "fodc/backup/command_output.h"
#include "fodc/backup/commands.h"
#include "fodc/backup/metrics.h"
#include "fodc/backup/metrics_server.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {
namespace {

constexpr std::chrono::milliseconds kNodeLook{500};

// "127.0.0.1:17912": whether somebody answers there.
bool Answers(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) return false;
  const std::uint64_t port =
      ParseUint(std::string_view(address).substr(colon + 1)).value_or(0);
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (port == 0 || port > 65535 ||
      ::inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) {
    return false;
  }
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 0, .tv_usec = kNodeLook.count() * 1000};
  if (!fd.ok() || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
                               sizeof limit) != 0) {
    return false;
  }
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to),
                   sizeof to) == 0;
}

}  // namespace

Outcome CommandRestore(const RestoreFlags& flags, const Clock& clock,
                       const std::stop_token& stop) {
  if (!flags.is_forced && !flags.restore.is_check &&
      Answers(flags.node_address)) {
    return Fail(FailedPrecondition(StrCat(
                    "the node at ", flags.node_address,
                    " answers: stop it before its files change (--force)")),
                Outcome::kRefused);
  }
  Metrics metrics;
  std::unique_ptr<MetricsServer> server;
  if (!flags.metrics_address.empty()) {
    auto started = MetricsServer::Start(flags.metrics_address, metrics);
    if (!started.ok())
      return Fail(started.status().WithContext("--metrics-addr"));
    server = *std::move(started);
  }
  DestinationFlags source = flags.source;
  source.store.client.on_attempt =
      [&metrics](const object_store::AttemptReport& r) {
        metrics.OnAttempt(r);
      };
  auto store = OpenDestination(std::move(source), clock);
  if (!store.ok()) return Fail(store.status());
  RestoreOptions options = flags.restore;
  options.download_concurrency =
      static_cast<std::size_t>(flags.download_concurrency);
  Outcome outcome = Outcome::kSuccess;
  std::deque<RestoreCounters> all_counters;  // they stay in place
  std::size_t tried = 0;
  std::size_t failed = 0;
  for (const std::string_view catalog : kCatalogs) {
    const std::string root = flags.roots.Of(catalog);
    if (root.empty()) continue;
    RestoreCounters& counters = all_counters.emplace_back();
    metrics.Restoring(std::string(catalog), &counters);
    const RestoreReport report =
        RestoreCatalog(**store, std::string(catalog),
                       StrCat(root, "/", catalog), options, stop, &counters);
    if (report.time_dir.empty() && report.status.ok()) continue;
    ++tried;
    LogInfo(report.status.ok() ? "restored" : "not restored",
            {{"catalog", report.catalog},
             {"time_dir", report.time_dir},
             {"downloaded", counters.downloaded.load()},
             {"unchanged", counters.unchanged.load()},
             {"deleted", counters.deleted.load()}});
    if (report.status.ok()) continue;
    ++failed;
    const Outcome one = Fail(report.status);
    if (report.status.code() == Code::kDataLoss) {
      outcome = Outcome::kIntegrity;
    } else if (outcome != Outcome::kIntegrity) {
      outcome = one == Outcome::kUsage ? Outcome::kFailure : one;
    }
    if (report.status.code() == Code::kCancelled) return outcome;
  }
  if (outcome == Outcome::kFailure && failed < tried)
    outcome = Outcome::kPartial;
  return outcome;
}

}  // namespace fodc::backup
