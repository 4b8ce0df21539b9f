// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/snapshot_source.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

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

// A key and its certificate for 127.0.0.1, signed by itself, in PEM.
struct SelfSigned {
  std::string key;
  std::string certificate;
};

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const auto bytes = static_cast<std::size_t>(BIO_get_mem_data(bio, &data));
  std::string text(data, bytes);
  BIO_free(bio);
  return text;
}

SelfSigned MakeSelfSigned() {
  EVP_PKEY* const key = EVP_RSA_gen(2048);
  X509* const x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME* const name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  X509_EXTENSION* const address = X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(x, address, -1);
  X509_EXTENSION_free(address);
  EXPECT_GT(X509_sign(x, key, EVP_sha256()), 0);
  BIO* const certificate = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate, x);
  BIO* const secret = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(x);
  EVP_PKEY_free(key);
  return {.key = TextOf(secret), .certificate = TextOf(certificate)};
}

// A node that answers what a real one did.
class Node final : public db::SnapshotService::Service,
                   public grpc::health::v1::Health::Service {
 public:
  explicit Node(std::shared_ptr<grpc::ServerCredentials> credentials =
                    grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", std::move(credentials), &port_);
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

// Who is not known is not asked, unless that is meant.
TEST(AskNodeTest, ChecksTheNodesCertificate) {
  const SelfSigned mine = MakeSelfSigned();
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({mine.key, mine.certificate});
  Node node(grpc::SslServerCredentials(ssl));
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("cert.pem"), mine.certificate),
              IsOk());
  NodeOptions options{.address = node.address(),
                      .has_tls = true,
                      .certificate_file = dir.File("cert.pem")};
  options.health_timeout = 5s;
  EXPECT_THAT(AskNode(options, {}), IsOk());
  options.certificate_file.clear();
  options.health_timeout = 1s;
  EXPECT_FALSE(AskNode(options, {}).ok());
  EXPECT_EQ(node.checks, 1);
  options.is_insecure = true;
  options.health_timeout = 5s;
  EXPECT_THAT(AskNode(options, {}), IsOk());
  options.certificate_file = dir.File("none.pem");
  EXPECT_THAT(AskNode(options, {}),
              StatusIs(Code::kNotFound, HasSubstr("none.pem")));
}

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
