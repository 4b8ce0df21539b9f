// SPDX-License-Identifier: Apache-2.0
// What a BanyanDB node says it is: its role and labels, asked of the node
// itself (--cluster-state-ports) for as long as the agent lives.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"

namespace fodc::node {

struct NodeInfo {
  std::string name;  // the node's id in its cluster
  std::string role;  // "ROLE_DATA", "ROLE_LIAISON" or "ROLE_UNSPECIFIED"
  std::map<std::string, std::string> labels;
  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

// Every method belongs to the loop's thread.
class NodeQuery {
 public:
  struct Options {
    std::vector<int> ports;  // of 127.0.0.1
    std::chrono::nanoseconds interval = std::chrono::seconds(30);
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);  // per try
    // After a failure; doubles up to the interval.
    std::chrono::nanoseconds min_backoff = std::chrono::milliseconds(100);
  };
  struct PortStats {
    int port = 0;
    std::uint64_t answers = 0;
    std::uint64_t failures = 0;
    Status last_failure;  // OK once the newest try succeeded
  };

  // `changed` is called with the node of the first port, in the order given,
  // whose role is known, else of the first that answered, whenever that is
  // another than before. A node that stops answering stays what it was. `loop`
  // must outlive the query.
  NodeQuery(net::EventLoop& loop, const Options& options,
            std::function<void(const NodeInfo&)> changed);
  // Cancels what is under way and waits for it to end.
  ~NodeQuery();

  void Start();

  std::vector<PortStats> stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fodc::node
