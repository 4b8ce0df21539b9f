// SPDX-License-Identifier: Apache-2.0
// StreamPressureProfiles, our agent's end, towards the recorded proxy's own
// bytes and towards proxies that do not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fodc/link/evidence_codec.h"
#include "fodc/link/evidence_testing.h"
#include "fodc/link/v1_agent_testing.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class V1ProfileAnswersTest : public V1AgentTest {
 protected:
  void Join() {
    options_.link.open_pressure_stream = true;
    Register(&evidence_);
    ASSERT_TRUE(Until([&] { return proxy_.has("StreamPressureProfiles"); }));
  }
  TestStream& stream() { return proxy_.at("StreamPressureProfiles"); }
  v1::StreamPressureProfilesRequest Answer() {
    EXPECT_TRUE(Until([&] { return stream().received() > read_; }));
    return stream().Message<v1::StreamPressureProfilesRequest>(read_++);
  }
  void List(const std::string& request) {
    v1::StreamPressureProfilesResponse m;
    m.mutable_list_profiles()->set_request_id(request);
    stream().Send(m);
  }
  void Fetch(const std::string& request, int second, const std::string& type,
             const std::string& path) {
    v1::StreamPressureProfilesResponse m;
    m.mutable_fetch_profile()->set_request_id(request);
    m.mutable_fetch_profile()->set_profile_id(EventIdAt(second));
    m.mutable_fetch_profile()->set_type(type);
    m.mutable_fetch_profile()->set_filepath(path);
    stream().Send(m);
  }

  FakeEvidence evidence_{loop_};
  std::size_t read_ = 0;
};

// What the recorded agent answered, ours answers, byte for byte: one stream of
// the recording, question by question.
TEST_F(V1ProfileAnswersTest, TheRecordedStreamIsAnsweredByteForByte) {
  int call = 0;
  for (const auto& e : Traffic()) {
    if (!e.method.ends_with("/StreamPressureProfiles")) continue;
    v1::StreamPressureProfilesRequest m;
    if (e.kind != "client" || !m.ParseFromString(e.bytes)) continue;
    if (m.has_record() && evidence_.events.empty()) {
      call = e.call;
      fleet::ListedEvent event = TakeRecord(m.mutable_record());
      evidence_.directory = event.meta.profiles.at(0).filepath.substr(
          0, event.meta.profiles.at(0).filepath.find("/" + event.id));
      evidence_.events.push_back(event);
    }
    if (m.has_chunk() && !m.chunk().data().empty()) {
      evidence_
          .files[m.chunk().profile_id() + "/" + m.chunk().type() + ".pprof"] =
          std::make_shared<const std::string>(m.chunk().data());
    }
  }
  ASSERT_EQ(evidence_.files.size(), 2u);
  const auto event = evidence_.events;
  evidence_.events.clear();
  Join();
  int compared = 0;
  bool has_event = false;
  std::vector<std::string> expected;
  for (const auto& e : Traffic()) {
    if (e.call != call) continue;
    if (e.kind == "server") {
      for (const std::string& bytes : expected) {
        ASSERT_TRUE(Until([&] { return stream().received() > read_; }));
        EXPECT_TRUE(stream().bytes(read_++) == bytes) << compared;
        ++compared;
      }
      expected.clear();
      stream().SendBytes(e.bytes);
    } else if (e.kind == "client") {
      v1::StreamPressureProfilesRequest m;
      ASSERT_TRUE(m.ParseFromString(e.bytes));
      if (m.has_record() && !has_event) {
        has_event = true;  // it was captured before this question
        evidence_.events = event;
      }
      expected.push_back(e.bytes);
    }
  }
  EXPECT_GE(compared, 10);
}

TEST_F(V1ProfileAnswersTest, AFileGoesInChunksOfAMiBAndATerminator) {
  const std::string text = Noise((2u << 20) + 17);
  evidence_.Add(1, {{"heap", text}, {"goroutine", ""}});
  Join();
  Fetch("r1", 1, "heap", "/data/pressure-profiles/x/heap.pprof");
  std::string bytes;
  for (const std::size_t size : {1u << 20, 1u << 20, 17u, 0u}) {
    const auto chunk = Answer().chunk();
    EXPECT_EQ(chunk.request_id(), "r1");
    EXPECT_EQ(chunk.profile_id(), EventIdAt(1));
    EXPECT_EQ(chunk.type(), "heap");
    EXPECT_EQ(chunk.error(), "");
    EXPECT_EQ(chunk.data().size(), size);
    EXPECT_EQ(chunk.last(), size == 0);
    bytes += chunk.data();
  }
  EXPECT_TRUE(bytes == text);
  EXPECT_EQ(agent_->stats().evidence_bytes_sent, text.size());
  Fetch("r2", 1, "goroutine", "/data/pressure-profiles/x");
  const auto only = Answer().chunk();
  EXPECT_TRUE(only.last());
  EXPECT_EQ(only.data(), "");
}

TEST_F(V1ProfileAnswersTest, ThePathIsAskedForItsWordsOnly) {
  evidence_.Add(1, {{"heap", "abc"}});
  Join();
  const auto fetch = [&](int second, const std::string& type,
                         const std::string& path) {
    Fetch("r", second, type, path);
    const auto chunk = Answer().chunk();
    if (!chunk.last()) (void)Answer();
    return chunk;
  };
  for (const char* path :
       {"/etc/passwd", "../x", "/data/pressure-profiles/../secret", "",
        "/data/pressure-profiles-of-others/x"}) {
    const auto chunk = fetch(1, "heap", path);
    EXPECT_EQ(chunk.error(),
              StrCat("path \"", path, "\" escapes pressure-profiler dir"));
    EXPECT_TRUE(chunk.last());
  }
  // Inside, it may say what it likes: the event and its type name the file.
  EXPECT_EQ(fetch(1, "heap", "/data/pressure-profiles/../pressure-profiles/./y")
                .data(),
            "abc");
  EXPECT_EQ(fetch(1, "heap", "/data/pressure-profiles").data(), "abc");
  EXPECT_EQ(fetch(7, "heap", "/data/pressure-profiles/e/heap.pprof").error(),
            "failed to open profile \"/data/pressure-profiles/e/heap.pprof\": "
            "open /data/pressure-profiles/e/heap.pprof: no such file or "
            "directory");
  EXPECT_THAT(fetch(1, "../../x", "/data/pressure-profiles/e").error(),
              HasSubstr("failed to open profile"));
  EXPECT_EQ(evidence_.opens, 4);
}

TEST_F(V1ProfileAnswersTest, AFailureInTheMiddleEndsItWithItsReason) {
  evidence_.Add(1, {{"heap", Noise(3u << 20)}});
  evidence_.fails_at = 1u << 20;
  Join();
  Fetch("r", 1, "heap", "/data/pressure-profiles/e");
  EXPECT_EQ(Answer().chunk().data().size(), 1u << 20);
  const auto chunk = Answer().chunk();
  EXPECT_EQ(chunk.error(), "the disk has a hole here");
  EXPECT_TRUE(chunk.last());
}

TEST_F(V1ProfileAnswersTest, AStalledDownloadHoldsUpNothingElse) {
  evidence_.Add(1, {{"heap", Noise(32u << 20)}});
  Join();
  agent_->Append(3);
  stream().Pause();
  Fetch("r1", 1, "heap", "/data/pressure-profiles/e");
  ASSERT_TRUE(Until([&] { return evidence_.bytes_read > 0; }));
  RunFor(milliseconds(100));
  EXPECT_LT(evidence_.bytes_read, 16u << 20) << "it waits on disk";
  TestStream& registration = proxy_.at("RegisterAgent");
  const std::size_t heartbeats = registration.received();
  for (std::size_t i = 1; i <= 3; ++i) {
    agent_->link().OnIdentityChanged();  // a heartbeat, at once
    ASSERT_TRUE(
        Until([&] { return registration.received() >= heartbeats + i; }));
  }
  AskTopology();
  EXPECT_GT(Ask("").metrics_size(), 0);
  stream().Resume();
  // Lists do not wait for the end of the file.
  List("r2");
  bool has_list = false;
  std::size_t bytes = 0;
  for (bool is_over = false; !is_over;) {
    const auto m = Answer();
    if (m.has_list_complete()) {
      has_list = true;
      EXPECT_LT(bytes, 32u << 20);
    }
    bytes += m.chunk().data().size();
    is_over = m.chunk().last();
  }
  EXPECT_TRUE(has_list);
  EXPECT_EQ(bytes, 32u << 20);
}

TEST_F(V1ProfileAnswersTest, MoreDownloadsThanItServesAreRefused) {
  evidence_.Add(1, {{"heap", "abc"}});
  evidence_.hangs = true;
  Join();
  for (int i = 0; i < 9; ++i) {
    Fetch(StrCat("r", i), 1, "heap", "/data/pressure-profiles/e");
  }
  const auto chunk = Answer().chunk();
  EXPECT_EQ(chunk.request_id(), "r8");
  EXPECT_EQ(chunk.error(), "too many downloads at once");
}

TEST_F(V1ProfileAnswersTest, AListThatFailsIsNotAnEmptyOne) {
  evidence_.list_error = Unavailable("disk");
  Join();
  List("r1");
  ASSERT_TRUE(Until([&] { return evidence_.lists == 1; }));
  RunFor(milliseconds(20));  // until it has failed
  evidence_.list_error = OkStatus();
  List("r2");
  EXPECT_EQ(Answer().list_complete().request_id(), "r2");
}

}  // namespace
}  // namespace fodc::link
