// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/library_log.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <mutex>
#include <string>

#include "fodc/base/log.h"

namespace fodc::link {
namespace {

void OnGrpcLog(gpr_log_func_args* args) {
  LogDebug("grpc says", {{"text", std::string(args->message)}});
}

void OnProtobufLog(google::protobuf::LogLevel level, const char*, int,
                   const std::string& message) {
  LogDebug("protobuf says", {{"text", message}});
  // Its contract: FATAL does not return. protobuf aborts by itself.
  (void)level;
}

}  // namespace

void RouteLibraryLogs() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(&OnGrpcLog);
    google::protobuf::SetLogHandler(&OnProtobufLog);
    // Debian builds abseil with its search for deadlocks, which costs gRPC a
    // graph walk with every lock.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  });
}

}  // namespace fodc::link
