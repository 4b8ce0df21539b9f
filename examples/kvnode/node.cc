// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/node.h"

#include <chrono>
#include <csignal>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/thread_priority.h"
#include "fodc/guard/crash.h"
#include "fodc/guard/lateness.h"
#include "fodc/guard/soft_limit.h"

namespace kvnode {

using fodc::LogInfo;
using fodc::LogWarn;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;

namespace {
constexpr std::size_t kKeptSnapshots = 3;
// The loop and the log's thread, which everybody waits for, go before those
// who read, and these before those who read much: a part of isolation.
constexpr std::size_t kReaders = 4;
constexpr int kReaderNice = 5;
constexpr int kHeavyReaderNice = 10;
// For answers to finish when the node stops.
constexpr std::chrono::seconds kStopGrace{5};
}  // namespace

Node::Node(const Options& options, const Host& host)
    : options_(options),
      host_(host),
      loop_(fodc::SystemClock()),
      readers_(kReaders, host.guard != nullptr ? kReaderNice : 0),
      heavy_readers_(fodc::guard::SlotLimiter::kMaxSlots, kHeavyReaderNice) {}

Result<std::unique_ptr<Node>> Node::Start(const Options& options,
                                          const Host& host) {
  std::unique_ptr<Node> node(new Node(options, host));
  FODC_RETURN_IF_ERROR(node->OpenStore());
  FODC_RETURN_IF_ERROR(node->OpenLog());
  node->StartBackground();
  FODC_RETURN_IF_ERROR(node->Serve());
  return node;
}

Node::~Node() {
  if (host_.guard != nullptr) host_.guard->StopGivingBack();
  // Its thread posts to the loop, which goes before it.
  if (log_) log_->Stop();
}

Status Node::OpenStore() {
  FODC_RETURN_IF_ERROR(fodc::MakeDirectories(options_.data_dir));
  // From the hard limit, as a cache must be; the soft limit shrinks it later.
  FODC_ASSIGN_OR_RETURN(const std::uint64_t cache_bytes,
                        fodc::guard::CacheSize(25, options_.block_cache_bytes));
  FODC_ASSIGN_OR_RETURN(
      store_, Store::Open({.directory = options_.data_dir + "/db",
                           .layout = options_.stream_layout == "blob"
                                         ? StreamLayout::kBlob
                                         : StreamLayout::kEntries,
                           .block_cache_bytes = cache_bytes,
                           .write_buffer_bytes = options_.write_buffer_bytes}));
  if (host_.guard != nullptr) {
    FODC_RETURN_IF_ERROR(host_.guard->GiveBackFrom(store_.get(), cache_bytes));
  }
  snapshots_ = std::make_unique<Snapshots>(
      options_.snapshot_dir.empty() ? options_.data_dir + "/snapshots"
                                    : options_.snapshot_dir,
      kKeptSnapshots, fodc::SystemClock());
  return OkStatus();
}

Status Node::OpenLog() {
  CommitLog::Options log;
  log.wal.directory = options_.data_dir + "/log";
  log.wal.on_event = ToNodeLog();
  log.wal.metrics = host_.metrics->guard();
  log.on_failure = [this](const Status& status) {
    fodc::LogError("log failed, the node stops", {{"error", status}});
    failure_ = status;
    loop_.Post([this] { BeginStop(); });
  };
  FODC_ASSIGN_OR_RETURN(log_, CommitLog::Open(std::move(log), store_.get()));
  const CommitLog::Recovery& r = log_->recovery();
  LogInfo("log is replayed", {{"operations", r.replayed},
                              {"last_sequence", r.last_sequence},
                              {"repaired", r.repaired}});
  return OkStatus();
}

// What no request waits for.
void Node::StartBackground() {
  background_ = std::jthread([this](const std::stop_token& stop) {
    if (host_.guard != nullptr) {
      // RocksDB has threads of its own by now; their stacks are covered, too.
      fodc::guard::RefreshCrashHandler().IgnoreError();
    }
    if (options_.stream_layout != "blob") Migrate(stop);
  });
}

void Node::Migrate(const std::stop_token& stop) {
  const Result<std::uint64_t> moved = store_->Migrate(stop);
  if (!moved.ok()) {
    // They are read as they are; the next start tries again.
    LogWarn("blobs of streams stay", {{"error", moved.status()}});
    return;
  }
  host_.metrics->migrated_entries().Add(*moved);
  if (*moved > 0) {
    LogInfo("blobs of streams are entries now", {{"entries", *moved}});
  }
}

Status Node::Serve() {
  fodc::net::HttpServerOptions http;
  http.max_body_bytes = options_.max_value_bytes;
  http.read_timeout = std::chrono::seconds(30);
  server_ = std::make_unique<fodc::net::HttpServer>(loop_, http);
  Api::Parts parts;
  parts.loop = &loop_;
  parts.store = store_.get();
  parts.log = log_.get();
  parts.metrics = host_.metrics;
  parts.snapshots = snapshots_.get();
  parts.readers = &readers_;
  parts.heavy_readers = &heavy_readers_;
  if (host_.guard != nullptr) {
    parts.gate = host_.guard->gate();
    parts.panics = host_.guard->panics();
    server_->SetGate(host_.guard->gate());
  }
  api_ = std::make_unique<Api>(
      parts, ReadBounds{.max_entries = static_cast<std::size_t>(
                            options_.max_answer_entries)});
  api_->Install(server_.get());
  const Status listening = server_->Listen(options_.listen);
  if (!listening.ok()) return listening.WithContext("--listen");

  FODC_ASSIGN_OR_RETURN(
      signals_, fodc::program::SignalWatch::Create(loop_, [this](int signal) {
        if (signal == SIGHUP) return;  // nothing to read anew
        LogInfo("node stops", {{"signal", signal}});
        if (host_.life != nullptr) {
          (void)host_.life->Claim(fodc::guard::ExitCause::kStop);
        }
        // A second one does not wait.
        if (is_stopping_) return loop_.Stop();
        BeginStop();
      }));
  FODC_ASSIGN_OR_RETURN(
      fodc::guard::Starvation starvation,
      fodc::guard::Starvation::Create("http", host_.metrics->guard()));
  lateness_ = loop_.RunEvery(
      std::chrono::milliseconds(10),
      [this, starvation](const fodc::net::EventLoop::Tick& tick) mutable {
        starvation.OnDue(tick.planned, loop_.clock().Monotonic());
      });
  LogInfo("node serves", {{"port", server_->port()},
                          {"stream_layout", options_.stream_layout},
                          {"guard", host_.guard != nullptr}});
  return OkStatus();
}

void Node::BeginStop() {
  if (std::exchange(is_stopping_, true)) return;
  api_->SetStopping();
  std::chrono::milliseconds grace = kStopGrace;
  if (host_.life != nullptr &&
      host_.life->cause() == fodc::guard::ExitCause::kPressure) {
    // What is half read and what waits was not answered, and its buffers are
    // what the node needs back.
    log_->DropWaiting();
    grace = {};
  }
  server_->Stop(grace, [this] { loop_.Stop(); });
}

Status Node::Run() {
  // What it does takes microseconds, and everybody waits for it.
  if (host_.guard != nullptr) fodc::RunSoon();
  loop_.Run();
  log_->Stop();
  return failure_;
}

}  // namespace kvnode
