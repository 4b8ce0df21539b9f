// SPDX-License-Identifier: Apache-2.0
// What a v1 proxy is to one agent.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "banyandb/fodc/v1/rpc.grpc.pb.h"
#include "fodc/base/mutex.h"
#include "tests/support/wait.h"

namespace fodc::test {

namespace v1 = ::banyandb::fodc::v1;

// A v1 proxy on real gRPC, for one agent. Asks what the test asks.
class FakeV1Proxy final : public v1::FODCService::Service {
 public:
  // `welcome`: the bytes that a registration is answered with.
  explicit FakeV1Proxy(const std::string& welcome) {
    EXPECT_TRUE(welcome_.ParseFromString(welcome));
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    server_ = builder.BuildAndStart();
  }
  ~FakeV1Proxy() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

  bool HasStream() {
    MutexLock lock(mutex_);
    return metrics_ != nullptr;
  }
  v1::RegisterAgentRequest registration() {
    MutexLock lock(mutex_);
    return registration_;
  }
  // What the agent answers; nothing if it has gone.
  std::optional<v1::StreamMetricsRequest> Ask(
      const v1::StreamMetricsResponse& question) {
    MetricsStream* stream = nullptr;
    {
      MutexLock lock(mutex_);
      stream = metrics_;
    }
    v1::StreamMetricsRequest answer;
    if (stream == nullptr || !stream->Write(question) ||
        !stream->Read(&answer)) {
      return std::nullopt;
    }
    return answer;
  }

 private:
  using Context = grpc::ServerContext;
  using MetricsStream = grpc::ServerReaderWriter<v1::StreamMetricsResponse,
                                                 v1::StreamMetricsRequest>;
  template <typename Out, typename In>
  static grpc::Status ReadToTheEnd(grpc::ServerReaderWriter<Out, In>* stream) {
    In in;
    while (stream->Read(&in)) {
    }
    return grpc::Status::OK;
  }

  grpc::Status RegisterAgent(
      Context*,
      grpc::ServerReaderWriter<v1::RegisterAgentResponse,
                               v1::RegisterAgentRequest>* stream) override {
    v1::RegisterAgentRequest hello;
    if (!stream->Read(&hello)) return grpc::Status::OK;
    {
      MutexLock lock(mutex_);
      registration_ = hello;
    }
    stream->Write(welcome_);
    return ReadToTheEnd(stream);
  }
  grpc::Status StreamMetrics(Context* context, MetricsStream* stream) override {
    {
      MutexLock lock(mutex_);
      metrics_ = stream;
    }
    (void)WaitUntil([&] { return context->IsCancelled(); }, 10min);
    MutexLock lock(mutex_);
    metrics_ = nullptr;
    return grpc::Status::OK;
  }
  // Accepted and kept open: an agent takes the end of any for the end of all.
  grpc::Status StreamClusterTopology(
      Context*,
      grpc::ServerReaderWriter<v1::StreamClusterTopologyResponse,
                               v1::StreamClusterTopologyRequest>* stream)
      override {
    return ReadToTheEnd(stream);
  }
  grpc::Status StreamLifecycle(
      Context*,
      grpc::ServerReaderWriter<v1::StreamLifecycleResponse,
                               v1::StreamLifecycleRequest>* stream) override {
    return ReadToTheEnd(stream);
  }
  grpc::Status StreamCrashDiagnostics(
      Context*,
      grpc::ServerReaderWriter<v1::StreamCrashDiagnosticsResponse,
                               v1::StreamCrashDiagnosticsRequest>* stream)
      override {
    return ReadToTheEnd(stream);
  }
  grpc::Status StreamPressureProfiles(
      Context*,
      grpc::ServerReaderWriter<v1::StreamPressureProfilesResponse,
                               v1::StreamPressureProfilesRequest>* stream)
      override {
    return ReadToTheEnd(stream);
  }
  grpc::Status StreamSchemaRegistry(
      Context*,
      grpc::ServerReaderWriter<v1::StreamSchemaRegistryResponse,
                               v1::StreamSchemaRegistryRequest>* stream)
      override {
    return ReadToTheEnd(stream);
  }

  v1::RegisterAgentResponse welcome_;
  Mutex mutex_;
  v1::RegisterAgentRequest registration_ FODC_GUARDED_BY(mutex_);
  MetricsStream* metrics_ FODC_GUARDED_BY(mutex_) = nullptr;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace fodc::test
