// SPDX-License-Identifier: Apache-2.0
// A node of BanyanDB as far as backups see it: it answers what the test says.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "banyandb/database/v1/snapshot.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace fodc::test {

class BackupNode final
    : public banyandb::database::v1::SnapshotService::Service,
      public grpc::health::v1::Health::Service {
 public:
  BackupNode() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(
        static_cast<banyandb::database::v1::SnapshotService::Service*>(this));
    builder.RegisterService(
        static_cast<grpc::health::v1::Health::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~BackupNode() override {
    server_->Shutdown(std::chrono::system_clock::now());
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  grpc::Status Check(grpc::ServerContext*,
                     const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
  grpc::Status Snapshot(
      grpc::ServerContext*, const banyandb::database::v1::SnapshotRequest*,
      banyandb::database::v1::SnapshotResponse* response) override {
    *response = answer;
    return grpc::Status::OK;
  }

  banyandb::database::v1::SnapshotResponse answer;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace fodc::test
