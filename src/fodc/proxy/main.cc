// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/exit_within.h"
#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/signals.h"
#include "fodc/program/version.h"
#include "fodc/proxy/options.h"
#include "fodc/proxy/proxy.h"

namespace fodc::proxy {
namespace {

// For what is torn down behind the last word.
constexpr std::chrono::seconds kLastMoments{3};

int Main(int argc, const char* const* argv) {
  // One arena: what gRPC's threads allocate is freed on the loop, and arenas of
  // their own would keep it (with 500 agents: 250 MiB).
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
  (void)::mallopt(M_ARENA_MAX, 1);
  ProxyOptions options;
  program::Flags flags(
      "fodc-proxy",
      "Keeps the registry and the mirrored recordings of all agents and "
      "answers for the whole cluster over HTTP.",
      program::Version());
  DeclareFlags(&flags, &options);
  const program::ParseOutcome parsed = flags.Parse(argc, argv);
  (void)std::fputs(parsed.out.c_str(), stdout);
  (void)std::fputs(parsed.error.c_str(), stderr);
  if (!parsed.run) return parsed.exit_code;

  program::BlockSignals();
  program::ScopedLog log(options.log);
  program::LogEffectiveValues(flags);
  net::EventLoop loop(SystemClock());
  auto proxy = Proxy::Start(loop, options);
  if (!proxy.ok()) {
    LogError("proxy cannot start", {{"error", proxy.status().message()}});
    return 1;
  }
  LogInfo("proxy serves", {{"version", program::Version()},
                           {"grpc_port", (*proxy)->grpc_port()},
                           {"http_port", (*proxy)->http_port()}});
  int signals = 0;
  auto watch = program::SignalWatch::Create(loop, [&](int signal) {
    if (signal == SIGHUP) return;  // nothing to read anew
    if (++signals > 1) return loop.Stop();
    LogInfo("proxy stops", {{"signal", signal}});
    (*proxy)->Stop([&loop] { loop.Stop(); });
  });
  if (!watch.ok()) {
    LogError("proxy cannot watch signals",
             {{"error", watch.status().message()}});
    return 1;
  }
  loop.Run();
  LogInfo("proxy stopped");
  program::ExitWithin(kLastMoments, 0);
  return 0;
}

}  // namespace
}  // namespace fodc::proxy

int main(int argc, char** argv) { return fodc::proxy::Main(argc, argv); }
