// SPDX-License-Identifier: Apache-2.0
// Of the sources of snapshots: the node itself, over gRPC.
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "banyandb/database/v1/snapshot.grpc.pb.h"
#include "fodc/backup/snapshot_source.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace fodc::backup {
namespace {

namespace db = banyandb::database::v1;
using banyandb::common::v1::Catalog;

constexpr std::size_t kMaxCertificateBytes = 1u << 20;
constexpr std::chrono::milliseconds kPause{500};
constexpr std::size_t kMaxShownBytes = 300;

std::string_view KindOf(Catalog catalog) {
  switch (catalog) {
    case Catalog::CATALOG_STREAM:
      return "stream";
    case Catalog::CATALOG_MEASURE:
      return "measure";
    case Catalog::CATALOG_PROPERTY:
      return "property";
    case Catalog::CATALOG_TRACE:
      return "trace";
    default:
      return {};
  }
}

Result<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(
    const NodeOptions& options) {
  if (!options.has_tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.certificate_file.empty()) {
    FODC_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(options.certificate_file,
                                                       kMaxCertificateBytes));
  }
  if (!options.is_insecure) return grpc::SslCredentials(ssl);
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_verify_server_certs(false);
  tls.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(tls);
}

Code CodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::kDeadlineExceeded;
    case grpc::StatusCode::CANCELLED:
      return Code::kCancelled;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Code::kUnimplemented;
    default:
      return Code::kUnavailable;
  }
}

// One call, cancelled when `stop` is requested.
template <typename Call>
Status Make(const std::stop_token& stop, std::string_view what,
            std::chrono::nanoseconds timeout, const Call& call) {
  grpc::ClientContext context;
  context.set_deadline(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          SystemClock().Unix() + timeout));
  grpc::Status status;
  {
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    status = call(&context);
  }
  if (status.ok()) return OkStatus();
  if (stop.stop_requested()) return Cancelled("stopped");
  return {CodeOf(status),
          StrCat(what, ": ",
                 ToValidUtf8(std::string_view(status.error_message())
                                 .substr(0, kMaxShownBytes)))};
}

Status AwaitHealth(const std::shared_ptr<grpc::Channel>& channel,
                   const NodeOptions& options, const std::stop_token& stop) {
  const auto health = grpc::health::v1::Health::NewStub(channel);
  const MonotonicTime until =
      SystemClock().Monotonic() + options.health_timeout;
  std::mutex mutex;
  std::condition_variable_any never;
  for (;;) {
    const auto left = until - SystemClock().Monotonic();
    Status s = Make(stop, StrCat("health of ", options.address), left,
                    [&](grpc::ClientContext* context) {
                      context->AddMetadata("username", "");
                      context->AddMetadata("password", "");
                      grpc::health::v1::HealthCheckResponse answer;
                      return health->Check(context, {}, &answer);
                    });
    if (s.ok() || s.code() == Code::kCancelled) return s;
    if (SystemClock().Monotonic() + kPause >= until) return s;
    std::unique_lock lock(mutex);
    (void)never.wait_for(lock, stop, kPause, [] { return false; });
  }
}

}  // namespace

Result<std::vector<Snapshot>> AskNode(const NodeOptions& options,
                                      const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const auto credentials, CredentialsOf(options));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel =
      grpc::CreateCustomChannel(options.address, credentials, arguments);
  FODC_RETURN_IF_ERROR(AwaitHealth(channel, options, stop));
  db::SnapshotResponse answer;
  FODC_RETURN_IF_ERROR(
      Make(stop, StrCat("snapshot of ", options.address),
           options.snapshot_timeout, [&](grpc::ClientContext* context) {
             return db::SnapshotService::NewStub(channel)->Snapshot(context, {},
                                                                    &answer);
           }));
  std::vector<Snapshot> snapshots;
  for (const db::Snapshot& s : answer.snapshots()) {
    const std::string_view kind = KindOf(s.catalog());
    auto placed = kind.empty()
                      ? Result<Snapshot>(InvalidArgument(StrCat(
                            "catalog ", int{s.catalog()}, " is not known")))
                      : PlaceSnapshot(kind, s.name(), options.roots);
    if (!placed.ok()) {
      LogWarn("a snapshot is left out",
              {{"name", ToValidUtf8(s.name())}, {"error", placed.status()}});
      continue;
    }
    placed->partial = ToValidUtf8(s.error());
    snapshots.push_back(*std::move(placed));
  }
  return snapshots;
}

}  // namespace fodc::backup
