// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/options.h"

#include "fodc/base/strings.h"
#include "fodc/program/addresses.h"
#include "fodc/proxy/evidence_keeper.h"

namespace fodc::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr double kMostMemory = 1ULL << 44;

Status MustExceed(const char* flag, nanoseconds value, const char* other,
                  nanoseconds limit) {
  if (value > limit) return OkStatus();
  return InvalidArgument(StrCat("--", flag, " (", FormatGoDuration(value),
                                ") must be greater than --", other, " (",
                                FormatGoDuration(limit), ")"));
}

}  // namespace

void DeclareFlags(program::Flags* flags, ProxyOptions* o) {
  flags
      ->String("grpc-listen-addr", &o->grpc_listen_addr,
               "address for agents, HOST:PORT or :PORT")
      .Check(program::CheckListenAddress);
  flags
      ->String("http-listen-addr", &o->http_listen_addr,
               "address for HTTP, HOST:PORT or :PORT")
      .Check(program::CheckListenAddress);
  flags
      ->Duration("agent-heartbeat-timeout", &o->agent_heartbeat_timeout,
                 "silence after which an agent is offline")
      .AtLeast(seconds(1));
  flags
      ->Duration("agent-cleanup-timeout", &o->agent_cleanup_timeout,
                 "silence after which an agent is forgotten")
      .AtLeast(seconds(1));
  flags
      ->Int("max-agents", &o->max_agents,
            "most agents in the registry, offline ones included")
      .AtLeast(1)
      .AtMost(100'000);
  flags
      ->Int("grpc-max-msg-size", &o->grpc_max_msg_size,
            "largest gRPC message taken, in bytes")
      .AtLeast(512 << 10)  // the longest series, with its help
      .AtMost(1 << 30);
  flags
      ->Duration("http-read-timeout", &o->http_read_timeout,
                 "time for a whole HTTP request to come in")
      .AtLeast(milliseconds(100));
  flags
      ->Duration("http-write-timeout", &o->http_write_timeout,
                 "time for a client to take the next piece of an answer")
      .AtLeast(milliseconds(100));
  flags
      ->Duration("heartbeat-interval", &o->heartbeat_interval,
                 "what v1 agents are told; whole seconds")
      .AtLeast(seconds(1));
  flags
      ->Bytes("recorder-memory-per-agent", &o->recorder_memory_per_agent,
              "memory of one agent's mirrored recording; what one does not "
              "need, others may use")
      .AtLeast(64 << 10)
      .AtMost(kMostMemory);
  flags
      ->Bytes("recorder-memory", &o->recorder_memory,
              "memory of all mirrored recordings together")
      .AtLeast(1 << 20)
      .AtMost(kMostMemory);
  flags
      ->Int("http-max-connections", &o->http_max_connections,
            "most HTTP connections at a time")
      .AtLeast(1)
      .AtMost(100'000);
  flags->String("evidence-dir", &o->evidence_dir,
                "directory for copies of the nodes' evidence, so that it "
                "outlives them; empty: none are kept");
  flags
      ->Int("evidence-max-artifacts", &o->evidence_max_artifacts,
            "events of all nodes together of which copies are kept")
      .AtLeast(1)
      .AtMost(EvidenceKeeper::kMaxCopies);
  flags
      ->Bytes("evidence-max-disk-bytes", &o->evidence_max_disk_bytes,
              "bytes of the copies of all nodes together")
      .AtLeast(1 << 20)
      .AtMost(kMostMemory);
  flags
      ->Duration(
          "evidence-max-age", &o->evidence_max_age,
          "age of the copies, but for the newest, the one of most memory "
          "and those that are pinned; 0s: not bounded")
      .AtLeast(nanoseconds(0));
  flags->Bool("restrict-profile-downloads", &o->restrict_profile_downloads,
              "give what is below /pressure-profiles/ to operators only");
  flags
      ->Duration("shutdown-timeout", &o->shutdown_timeout,
                 "time for answers and streams to end after SIGTERM")
      .AtLeast(nanoseconds(0))
      .AtMost(seconds(300));
  program::AddLogFlags(flags, &o->log);
  flags->CheckAll([o]() -> Status {
    if (o->grpc_listen_addr == o->http_listen_addr &&
        !o->grpc_listen_addr.ends_with(":0")) {
      return InvalidArgument(
          StrCat("--grpc-listen-addr and --http-listen-addr are both ",
                 o->grpc_listen_addr, "; agents need an address of their own"));
    }
    FODC_RETURN_IF_ERROR(
        MustExceed("agent-cleanup-timeout", o->agent_cleanup_timeout,
                   "agent-heartbeat-timeout", o->agent_heartbeat_timeout));
    FODC_RETURN_IF_ERROR(
        MustExceed("agent-heartbeat-timeout", o->agent_heartbeat_timeout,
                   "heartbeat-interval", o->heartbeat_interval));
    if (o->heartbeat_interval % seconds(1) != nanoseconds::zero()) {
      return InvalidArgument(StrCat(
          "--heartbeat-interval (", FormatGoDuration(o->heartbeat_interval),
          ") must be whole seconds: v1 agents are told no others"));
    }
    if (o->recorder_memory < o->recorder_memory_per_agent) {
      return InvalidArgument(
          StrCat("--recorder-memory (", o->recorder_memory,
                 " bytes) must be at least --recorder-memory-per-agent (",
                 o->recorder_memory_per_agent, " bytes)"));
    }
    return OkStatus();
  });
}

}  // namespace fodc::proxy
