// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/test_peer.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/strings.h"

namespace fodc::link {

namespace v1 = banyandb::fodc::v1;

Decoder BytesDecoder() {
  return [](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
    std::vector<grpc::Slice> slices;
    (void)bytes.Dump(&slices);
    auto out = std::make_shared<std::string>();
    for (const grpc::Slice& s : slices) {
      out->append(reinterpret_cast<const char*>(s.begin()), s.size());
    }
    return Decoded(std::move(out));
  };
}

grpc::ByteBuffer BytesBuffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

TestStream::TestStream(std::shared_ptr<Stream> stream)
    : stream_(std::move(stream)) {
  stream_->Attach(this);
  stream_->Read();
}

TestStream::~TestStream() {
  stream_->Detach();
  stream_->Cancel();
}

void TestStream::Send(const google::protobuf::MessageLite& m) {
  stream_->Write(Encode(m));
}

void TestStream::SendBytes(const std::string& bytes) {
  stream_->Write(BytesBuffer(bytes));
}

void TestStream::OnMessage(Decoded message, std::size_t) {
  messages_.push_back(*std::static_pointer_cast<std::string>(message));
  reading_ = !paused_;
  if (reading_) stream_->Read();
}

void TestStream::Resume() {
  paused_ = false;
  if (!std::exchange(reading_, true)) stream_->Read();
}

TestClient::TestClient(net::EventLoop& loop, const std::string& address)
    : loop_(loop) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxReceiveMessageSize(-1);
  args.SetMaxSendMessageSize(-1);
  channel_ = grpc::CreateCustomChannel(
      address, grpc::InsecureChannelCredentials(), args);
}

TestClient::~TestClient() { open_->WaitForNone(); }

std::unique_ptr<TestStream> TestClient::Open(const std::string& method,
                                             const std::string& agent_id) {
  std::map<std::string, std::string> headers;
  if (!agent_id.empty()) headers["agent_id"] = agent_id;
  return std::make_unique<TestStream>(OpenClientStream(
      loop_, open_, channel_, method, headers, BytesDecoder()));
}

std::unique_ptr<TestStream> TestClient::OpenV1(const std::string& name,
                                               const std::string& agent_id) {
  return Open(StrCat("/banyandb.fodc.v1.FODCService/", name), agent_id);
}

LinkServerTest::LinkServerTest() {
  options_.listen_address = "127.0.0.1:0";
  options_.version = "test";
}

LinkServerTest::~LinkServerTest() = default;

void LinkServerTest::StartServer() {
  fleet_ = std::make_unique<fleet::Fleet>(SystemClock(), fleet_options_);
  auto server = LinkServer::Start(loop_, *fleet_, options_);
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  server_ = *std::move(server);
}

void LinkServerTest::RestartServer() {
  const int port = server_->port();
  server_.reset();
  fleet_.reset();
  options_.listen_address = StrCat("127.0.0.1:", port);
  StartServer();
}

std::string LinkServerTest::address() const {
  return StrCat("127.0.0.1:", server_->port());
}

void LinkServerTest::RunFor(std::chrono::milliseconds time) {
  (void)loop_.RunUntil([] { return false; }, time);
}

void V1Peer::Register(const std::string& pod, const std::string& role,
                      const std::map<std::string, std::string>& labels) {
  registration = client.OpenV1("RegisterAgent");
  v1::RegisterAgentRequest m;
  m.set_pod_name(pod);
  m.set_node_role(role);
  m.mutable_labels()->insert(labels.begin(), labels.end());
  registration->Send(m);
}

bool V1Peer::registered() {
  if (registration->received() == 0) return false;
  const auto m = registration->Message<v1::RegisterAgentResponse>(0);
  id = m.agent_id();
  return m.success();
}

}  // namespace fodc::link
