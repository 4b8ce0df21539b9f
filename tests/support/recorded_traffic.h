// SPDX-License-Identifier: Apache-2.0
// The recorded gRPC traffic under tests/data/wire, event by event.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fodc::test {

struct RecordedEvent {
  std::int64_t t_ms = 0;  // since the relay's start
  std::string link;       // "link": agent to proxy; else which node
  std::string method;     // "/package.Service/Method"
  int call = 0;           // numbers the RPC
  // "open", "client", "server", "client-close" or "end".
  std::string kind;
  std::string bytes;   // of "client" and "server"
  std::string json;    // the same message in protobuf's JSON form
  std::string status;  // of "end"
  std::map<std::string, std::string> metadata;  // of "open", first values
};

// The events of tests/data/wire/<name>, e.g. "agent-proxy.jsonl.zst".
// Aborts if the file cannot be read: no test can go on without it.
std::vector<RecordedEvent> ReadRecordedTraffic(const std::string& name);

// A whole file below the source tree, decompressed if it ends in ".zst".
std::string ReadTestData(const std::string& path);

}  // namespace fodc::test
