// SPDX-License-Identifier: Apache-2.0
// object-server: an object store for tests and benchmarks. See README.md.
#include <csignal>
#include <cstdio>

#include "tests/support/object_server/flags.h"
#include "tests/support/object_server/server.h"

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // Before the first thread, so that all inherit it.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  (void)std::signal(SIGPIPE, SIG_IGN);

  fodc::object_server::ServerFlags flags;
  const auto outcome = flags.Parse(argc, argv);
  (void)std::fputs(outcome.out.c_str(), stdout);
  (void)std::fputs(outcome.error.c_str(), stderr);
  if (!outcome.run) return outcome.exit_code;
  const auto server = fodc::object_server::ObjectServer::Start(flags.options());
  if (!server.ok()) {
    (void)std::fprintf(stderr, "object-server: %s\n",
                       server.status().message().c_str());
    return 1;
  }
  (void)std::printf("listening on 127.0.0.1:%u\n",
                    static_cast<unsigned>((*server)->port()));
  (void)std::fflush(stdout);
  int number = 0;
  sigwait(&signals, &number);
  return 0;
}
