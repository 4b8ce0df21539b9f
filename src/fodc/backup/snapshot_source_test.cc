// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/snapshot_source.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "banyandb/database/v1/snapshot.grpc.pb.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace fodc::backup {
namespace {

using namespace std::chrono_literals;
namespace db = banyandb::database::v1;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(PlaceSnapshotTest, KnowsTheNodesDirectories) {
  const CatalogRoots roots{.property = "/p", .schema = "/s"};
  auto s = PlaceSnapshot("measure", "20261121-1", roots);
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->directory, "/tmp/measure/snapshots/20261121-1");
  s = PlaceSnapshot("property", "20261121-1", roots);
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->catalog, "property");
  EXPECT_EQ(s->directory, "/p/property/snapshots/20261121-1/data");
  s = PlaceSnapshot("property", "schema-property/20261121-1", roots);
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->catalog, "schema-property");
  EXPECT_EQ(s->directory, "/s/schema-property/snapshots/20261121-1/data");
  for (const char* name : {"", ".", "..", "a/b", "../../etc",
                           "schema-property/", "schema-property/../x"}) {
    EXPECT_THAT(PlaceSnapshot("property", name, roots),
                StatusIs(Code::kInvalidArgument, _))
        << name;
  }
  EXPECT_THAT(PlaceSnapshot("logs", "a", roots),
              StatusIs(Code::kInvalidArgument, _));
}

TEST(AskCommandTest, ItsLastLineIsTheDirectory) {
  const TempDirectory dir;
  EXPECT_THAT(
      AskCommand(StrCat("echo working; echo ", dir.path(), "; echo"), 10s, {}),
      IsOkAndHolds(dir.path()));
  EXPECT_THAT(AskCommand("echo /none", 10s, {}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("/none")));
  EXPECT_THAT(AskCommand("echo /tmp; exit 3", 10s, {}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("status 3")));
  EXPECT_THAT(AskCommand("kill -9 $$", 10s, {}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("signal 9")));
  EXPECT_THAT(AskCommand("sleep 60", 200ms, {}),
              StatusIs(Code::kDeadlineExceeded, _));
  EXPECT_THAT(AskCommand("yes", 10s, {}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("more than")));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(AskCommand("sleep 60", 60s, stop.get_token()),
              StatusIs(Code::kCancelled, _));
}

// A node that answers what a real one did.
class Node final : public db::SnapshotService::Service,
                   public grpc::health::v1::Health::Service {
 public:
  Node() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(static_cast<db::SnapshotService::Service*>(this));
    builder.RegisterService(
        static_cast<grpc::health::v1::Health::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~Node() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const { return StrCat("127.0.0.1:", port_); }

  grpc::Status Check(grpc::ServerContext* context,
                     const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse*) override {
    has_metadata = context->client_metadata().count("username") == 1 &&
                   context->client_metadata().count("password") == 1;
    return ++checks < healthy_from ? grpc::Status(grpc::UNAVAILABLE, "starting")
                                   : grpc::Status::OK;
  }
  grpc::Status Snapshot(grpc::ServerContext* context,
                        const db::SnapshotRequest* request,
                        db::SnapshotResponse* response) override {
    EXPECT_EQ(request->groups_size(), 0);
    while (hangs && !context->IsCancelled()) std::this_thread::sleep_for(5ms);
    const MutexLock lock(mutex);
    *response = answer;
    return grpc::Status::OK;
  }

  // The sanitizer does not see that gRPC orders what threads do.
  Mutex mutex;
  db::SnapshotResponse answer;
  std::atomic<int> healthy_from = 1;
  std::atomic<bool> hangs = false;
  std::atomic<int> checks = 0;
  std::atomic<bool> has_metadata = false;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(AskNodeTest, ReadsWhatARealNodeAnswered) {
  Node node;
  // As recorded of a real one.
  {
    const MutexLock lock(node.mutex);
    ASSERT_TRUE(node.answer.ParseFromString(
        *object_store::ParseBase64("CisIAxInc2NoZW1hLXByb3BlcnR5LzIwMjYxMTIxMDg"
                                   "wMDIzLTAwMDAwMDAxChsIAxIXMjAy"
                                   "NjExMjEwODAwMjMtMDAwMDAwMDEKGwgCEhcyMDI2MTE"
                                   "yMTA4MDAyMy0wMDAwMDAwMQobCAES"
                                   "FzIwMjYxMTIxMDgwMDIzLTAwMDAwMDAxChsIBBIXMjA"
                                   "yNjExMjEwODAwMjMtMDAwMDAwMDE"
                                   "=")));
  }
  node.healthy_from = 3;
  const auto snapshots = AskNode({.address = node.address()}, {});
  ASSERT_THAT(snapshots, IsOk());
  ASSERT_THAT(*snapshots, SizeIs(5));
  EXPECT_EQ(snapshots->at(0).catalog, "schema-property");
  EXPECT_EQ(snapshots->at(0).directory,
            "/tmp/schema-property/snapshots/20261121080023-00000001/data");
  EXPECT_EQ(snapshots->at(2).catalog, "measure");
  EXPECT_EQ(node.checks, 3);
  EXPECT_TRUE(node.has_metadata);
}

TEST(AskNodeTest, WhatItLeavesOutIsToldAndWhatIsUnknownIsNot) {
  Node node;
  {
    const MutexLock lock(node.mutex);
    auto* one = node.answer.add_snapshots();
    one->set_catalog(banyandb::common::v1::CATALOG_STREAM);
    one->set_name("a");
    one->set_error("group g: disk");
    node.answer.add_snapshots()->set_name("of no catalog");
    auto* hostile = node.answer.add_snapshots();
    hostile->set_catalog(banyandb::common::v1::CATALOG_MEASURE);
    hostile->set_name("../../etc");
  }
  const LogCapture log;
  const auto snapshots = AskNode({.address = node.address()}, {});
  ASSERT_THAT(snapshots, IsOk());
  ASSERT_THAT(*snapshots, SizeIs(1));
  EXPECT_EQ(snapshots->at(0).partial, "group g: disk");
  EXPECT_THAT(log.Lines("left out"), SizeIs(2));
  EXPECT_THAT(log.Lines("catalog 0 is not known"), SizeIs(1));
}

TEST(AskNodeTest, DoesNotWaitForEver) {
  Node node;
  node.healthy_from = 1000;
  EXPECT_THAT(AskNode({.address = node.address(), .health_timeout = 300ms}, {}),
              StatusIs(Code::kUnavailable, HasSubstr("starting")));
  node.healthy_from = 0;
  node.hangs = true;
  EXPECT_THAT(
      AskNode({.address = node.address(), .snapshot_timeout = 200ms}, {}),
      StatusIs(Code::kDeadlineExceeded, _));
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  EXPECT_THAT(AskNode({.address = node.address()}, stop.get_token()),
              StatusIs(Code::kCancelled, _));
  EXPECT_THAT(AskNode({.address = "127.0.0.1:1", .health_timeout = 200ms}, {}),
              StatusIs(Code::kUnavailable, _));
  EXPECT_THAT(AskNode({.has_tls = true, .certificate_file = "/none"}, {}),
              StatusIs(Code::kNotFound, HasSubstr("/none")));
}

}  // namespace
}  // namespace fodc::backup
