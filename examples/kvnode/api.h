// SPDX-License-Identifier: Apache-2.0
// The node's HTTP API (README.md has the routes). Reads run on workers, writes
// on the log's thread; the loop itself touches neither disk nor store.
#pragma once

#include <functional>
#include <optional>

#include "examples/kvnode/commit_log.h"
#include "examples/kvnode/gate.h"
#include "examples/kvnode/node_metrics.h"
#include "examples/kvnode/snapshots.h"
#include "examples/kvnode/store.h"
#include "examples/kvnode/workers.h"
#include "fodc/guard/panic.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace kvnode {

// Belongs to the loop's thread. All that it is given must outlive the server
// that it is installed in.
class Api {
 public:
  struct Parts {
    fodc::net::EventLoop* loop = nullptr;
    Store* store = nullptr;
    CommitLog* log = nullptr;
    NodeMetrics* metrics = nullptr;
    Snapshots* snapshots = nullptr;
    Workers* readers = nullptr;
    Workers* heavy_readers = nullptr;  // of those who have a slot
    // Without the guard these are null.
    Gate* gate = nullptr;
    fodc::guard::PanicRecorder* panics = nullptr;
  };
  Api(const Parts& parts, const ReadBounds& bounds)
      : parts_(parts), bounds_(bounds) {}

  void Install(fodc::net::HttpServer* server);
  // From here on /readyz says no.
  void SetStopping() { is_stopping_ = true; }

 private:
  using RequestPtr = std::shared_ptr<const fodc::net::HttpRequest>;
  using Work = fodc::net::UniqueFunction<fodc::net::HttpResponse()>;
  // Once, on the loop's thread.
  using Answer = std::function<void(fodc::net::HttpResponse)>;

  void InstallReads(fodc::net::HttpServer* server);
  void InstallWrites(fodc::net::HttpServer* server);
  // Answers with what `work` makes, on a worker.
  void Read(Request kind, std::optional<HeavyClass> heavy,
            const fodc::net::HttpRequest& request,
            fodc::net::Responder responder, Work work);
  void Write(Request kind, OperationKind operation, const RequestPtr& request,
             fodc::net::Responder responder);
  Answer AnswerTo(Request kind, fodc::net::Responder responder);
  fodc::net::HttpResponse Guarded(Request kind, Work work);
  fodc::net::HttpResponse Scan(const fodc::net::HttpRequest& request);
  fodc::net::HttpResponse ReadStream(const fodc::net::HttpRequest& request,
                                     std::uint64_t after);
  fodc::Result<ReadBounds> BoundsOf(const fodc::net::HttpRequest& request);

  const Parts parts_;
  const ReadBounds bounds_;
  bool is_stopping_ = false;
};

}  // namespace kvnode
