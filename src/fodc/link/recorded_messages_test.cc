// SPDX-License-Identifier: Apache-2.0
// Everything that real Go peers sent each other reads as what they meant.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "banyandb/database/v1/rpc.pb.h"
#include "banyandb/fodc/v1/rpc.pb.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::link {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;
using google::protobuf::ServiceDescriptor;
using google::protobuf::util::MessageDifferencer;

// Number of bytes of unknown fields, in the message and below it.
std::size_t UnknownBytes(const Message& m) {
  const Reflection* r = m.GetReflection();
  std::size_t n = r->GetUnknownFields(m).SpaceUsedExcludingSelfLong();
  std::vector<const FieldDescriptor*> fields;
  r->ListFields(m, &fields);
  for (const FieldDescriptor* f : fields) {
    if (f->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (f->is_repeated()) {
      for (int i = 0; i < r->FieldSize(m, f); ++i) {
        n += UnknownBytes(r->GetRepeatedMessage(m, f, i));
      }
    } else {
      n += UnknownBytes(r->GetMessage(m, f));
    }
  }
  return n;
}

std::unique_ptr<Message> NewMessageOf(const test::RecordedEvent& e) {
  const std::size_t slash = e.method.rfind('/');
  const ServiceDescriptor* service =
      DescriptorPool::generated_pool()->FindServiceByName(
          e.method.substr(1, slash - 1));
  if (service == nullptr) return nullptr;
  const auto* method = service->FindMethodByName(e.method.substr(slash + 1));
  if (method == nullptr) return nullptr;
  const Descriptor* type =
      e.kind == "client" ? method->input_type() : method->output_type();
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// Decodes, compares with the JSON form, encodes and decodes again.
void ExpectFaithful(const std::string& file, std::size_t expected_messages) {
  // Makes sure that the generated types are linked in.
  (void)banyandb::fodc::v1::RegisterAgentRequest::descriptor();
  (void)banyandb::database::v1::GetCurrentNodeRequest::descriptor();
  std::size_t messages = 0;
  std::map<std::string, int> by_method;
  for (const test::RecordedEvent& e : test::ReadRecordedTraffic(file)) {
    if (e.kind != "client" && e.kind != "server") continue;
    SCOPED_TRACE(e.method + " " + e.kind + " at " + std::to_string(e.t_ms));
    const std::unique_ptr<Message> decoded = NewMessageOf(e);
    ASSERT_NE(decoded, nullptr);
    ASSERT_TRUE(decoded->ParseFromString(e.bytes));
    EXPECT_EQ(UnknownBytes(*decoded), 0u);

    const std::unique_ptr<Message> meant(decoded->New());
    if (!e.json.empty()) {
      const auto status =
          google::protobuf::util::JsonStringToMessage(e.json, meant.get());
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
    MessageDifferencer differ;
    google::protobuf::util::DefaultFieldComparator comparator;
    comparator.set_treat_nan_as_equal(true);
    differ.set_field_comparator(&comparator);
    std::string difference;
    differ.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differ.Compare(*decoded, *meant)) << difference;

    const std::string again = decoded->SerializeAsString();
    EXPECT_EQ(again.size(), e.bytes.size());
    const std::unique_ptr<Message> twice(decoded->New());
    ASSERT_TRUE(twice->ParseFromString(again));
    EXPECT_TRUE(differ.Compare(*decoded, *twice)) << difference;
    ++messages;
    ++by_method[e.method];
  }
  EXPECT_EQ(messages, expected_messages);
}

TEST(RecordedMessagesTest, OfAgentsAndProxySurviveARoundTrip) {
  ExpectFaithful("agent-proxy.jsonl.zst", 385);
}

TEST(RecordedMessagesTest, OfAgentsAndNodesSurviveARoundTrip) {
  ExpectFaithful("node.jsonl.zst", 213);
}

}  // namespace
}  // namespace fodc::link
