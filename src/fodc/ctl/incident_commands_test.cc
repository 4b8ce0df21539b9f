// SPDX-License-Identifier: Apache-2.0
// fodcctl incident against an endpoint that answers as a proxy does, or does
// not.
#include "fodc/ctl/incident_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/ctl/capsule_testing.h"
#include "fodc/ctl/incident_detail.h"
#include "fodc/evidence/capsule_testing.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::ctl {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using test::Exchange;
using test::FakeEndpoint;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Action = IncidentCommand::Action;

constexpr char kEvent[] = "20260101T000000.000000000Z";

constexpr std::string_view kDetail = R"({"incident":
 {"id":"5f-2","name":"db-0","pod_name":"db-0","target":"data",
  "detector":"memory","verdict":"memory_pressure","state":"ended",
  "watched":null,"started_at":"2026-01-01T00:00:00Z",
  "ended_at":"2026-01-01T00:00:03Z","summary":"memory ran out",
  "agent":{"id":"1","status":"online","silence_seconds":0.5}},
 "events":[{"id":"20260101T000000.000000000Z","pod_name":"db-0",
  "agent_id":"1","revision":2,"captured_at":"2026-01-01T00:00:00Z",
  "bytes":2097152,"pinned":true,"where":["agent","proxy"],
  "trigger":{"kind":"memory_pressure","summary":"78 % of the limit"},
  "death":{"at":"2026-01-01T00:00:02.5Z","signal":9},
  "artifacts":[{"name":"heap.pprof","bytes":1048576,"sha256":"aa",
                "outcome":"complete"},
               {"name":"cpu.pprof","bytes":7,"outcome":"cut"}]}]})";

class IncidentCommandTest : public CapsuleTest {
 protected:
  IncidentCommandTest()
      : endpoint_([this](std::string_view head, Exchange& e) {
          MutexLock lock(mutex_);
          lines_.emplace_back(head.substr(0, head.find("\r\n")));
          if (cut_) {
            e.Send(StrCat("HTTP/1.1 200 OK\r\nContent-Length: ",
                          answer_.size() + 1, "\r\n\r\n", answer_));
            e.Close();
          } else {
            e.Answer(status_, answer_);
          }
        }) {}

  void SetAnswer(int status, std::string answer, bool cut = false) {
    MutexLock lock(mutex_);
    status_ = status;
    answer_ = std::move(answer);
    cut_ = cut;
  }
  std::vector<std::string> lines() {
    MutexLock lock(mutex_);
    return lines_;
  }
  IncidentCommand Command(Action action) {
    IncidentCommand command;
    command.action = action;
    command.query.url = StrCat("http://127.0.0.1:", endpoint_.port());
    command.query.timeout = 5s;
    command.pod_name = "db-0";
    command.id = "5f-2";
    return command;
  }
  Status Run(const IncidentCommand& command) {
    out_.text.clear();
    return RunIncident(command, &out_, clock_);
  }
  // A directory of its own, and what is in it.
  std::string Place() {
    std::string place = tree_.File("place");
    EXPECT_THAT(MakeDirectories(place), IsOk());
    return place;
  }
  std::vector<std::string> Files() { return *ListDirectory(Place()); }
  std::string Capsule() {
    return CapsuleBytes({.pod_name = "db-0"}, {{"status.txt", "x"}});
  }

  FakeClock clock_;
  StringOutput out_;

 private:
  Mutex mutex_;  // the endpoint answers on a thread of its own
  int status_ FODC_GUARDED_BY(mutex_) = 200;
  std::string answer_ FODC_GUARDED_BY(mutex_);
  bool cut_ FODC_GUARDED_BY(mutex_) = false;
  std::vector<std::string> lines_ FODC_GUARDED_BY(mutex_);
  FakeEndpoint endpoint_;
};

TEST_F(IncidentCommandTest, ShowsTheIncidentAndItsEvents) {
  SetAnswer(200, std::string(kDetail));
  ASSERT_THAT(Run(Command(Action::kShow)), IsOk());
  EXPECT_THAT(lines(), ElementsAre("GET /incidents/db-0/5f-2 HTTP/1.1"));
  EXPECT_THAT(out_.text, HasSubstr("memory ran out\n    detector: memory; id: "
                                   "5f-2\n"));
  EXPECT_THAT(
      out_.text,
      HasSubstr("\nEVENT                       CAPTURED              REVISION "
                "    SIZE  PINNED  WHERE\n"
                "20260101T000000.000000000Z  2026-01-01T00:00:00Z         2  "
                "2.0 MiB  yes     agent,proxy\n"
                "    trigger: memory_pressure: 78 % of the limit\n"
                "    death: 2026-01-01T00:00:02.5Z, signal 9\n"
                "    heap.pprof  1.0 MiB  complete\n"
                "    cpu.pprof       7 B  cut\n"));
  IncidentCommand json = Command(Action::kShow);
  json.json = true;
  ASSERT_THAT(Run(json), IsOk());
  EXPECT_EQ(out_.text, StrCat(kDetail, "\n"));
}

TEST_F(IncidentCommandTest, ShowsWhatLittleTheProxyKnows) {
  SetAnswer(200, R"({"incident":null,"events":[{},7]})");
  ASSERT_THAT(Run(Command(Action::kShow)), IsOk());
  EXPECT_THAT(out_.text, HasSubstr("incident -: its evidence only\n"));
  SetAnswer(200, R"({"incident":{"id":"5f-2"},"events":[]})");
  ASSERT_THAT(Run(Command(Action::kShow)), IsOk());
  EXPECT_THAT(out_.text, HasSubstr("(no evidence)"));
  for (const char* other : {"", "[]", "{}", R"({"events":1})", "<html>"}) {
    SetAnswer(200, other);
    EXPECT_THAT(Run(Command(Action::kShow)),
                StatusIs(Code::kDataLoss, HasSubstr("FODC proxy")));
  }
}

TEST_F(IncidentCommandTest, ShowsReceiptsOfAnEventAlone) {
  SetAnswer(200, R"({"pod_name":"db-0","events":[{"id":"x",
    "incident_id":"5f-2","lies":["agent"],"pinned":false,
    "steps":[{"step":"heap","file":"heap.pprof","outcome":"cut",
              "reason":"the target died","bytes":7},
             {"step":"goroutine","file":"","outcome":"failed",
              "reason":"HTTP 500","bytes":0}],
    "death":{"at":"2026-01-01T00:00:02Z","exit_code":3,"signal":null,
             "summary":""}}]})");
  ASSERT_THAT(Run(Command(Action::kShow)), IsOk());
  EXPECT_THAT(out_.text,
              AllOf(HasSubstr("incident 5f-2: its evidence only\n"),
                    HasSubstr("no      agent\n"),
                    HasSubstr("    death: 2026-01-01T00:00:02Z, exit code 3\n"
                              "    heap.pprof   7 B  cut: the target died\n"
                              "    (goroutine)    -  failed: HTTP 500\n")));
}

TEST_F(IncidentCommandTest, TextsOfTheProxyAreNotObeyed) {
  const auto detail = ParseIncidentDetail(
      R"({"events":[{"id":"\u001b[2J","captured_at":"\r","where":["\u0007"],
          "trigger":{"summary":"a\nb"},"death":{"summary":"\u009b"},
          "artifacts":[{"name":"../\u001b","outcome":"\n"}]}]})");
  ASSERT_THAT(detail, IsOk());
  const std::string text = RenderIncidentDetail(*detail, 0);
  for (const char c : text) EXPECT_TRUE(c == '\n' || c >= ' ') << text;
  EXPECT_THAT(text, HasSubstr("    trigger: a?b\n    death: ?\n    ../?"));
}

TEST_F(IncidentCommandTest, PinsAndUnpinsByPost) {
  SetAnswer(200, "{}\n");
  ASSERT_THAT(Run(Command(Action::kPin)), IsOk());
  EXPECT_EQ(out_.text, "pinned: db-0 5f-2\n");
  ASSERT_THAT(Run(Command(Action::kUnpin)), IsOk());
  EXPECT_EQ(out_.text, "unpinned: db-0 5f-2\n");
  EXPECT_THAT(lines(), ElementsAre("POST /incidents/db-0/5f-2/pin HTTP/1.1",
                                   "POST /incidents/db-0/5f-2/unpin HTTP/1.1"));
  SetAnswer(404, "No incident 5f-2\n");
  EXPECT_THAT(Run(Command(Action::kPin)),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("404"), HasSubstr("No incident"))));
  EXPECT_EQ(out_.text, "");
}

TEST_F(IncidentCommandTest, NamesStayWhereTheyBelongInTheUrl) {
  SetAnswer(200, "{}");
  IncidentCommand command = Command(Action::kPin);
  command.pod_name = "a/../b?c#d";
  command.id = "%2e%2e e";
  ASSERT_THAT(Run(command), IsOk());
  EXPECT_THAT(
      lines(),
      ElementsAre("POST /incidents/a%2F..%2Fb%3Fc%23d/%252e%252e%20e/pin "
                  "HTTP/1.1"));
}

TEST_F(IncidentCommandTest, GetsTheCapsuleAndSaysItsDigest) {
  const std::string capsule = Capsule();
  SetAnswer(200, capsule);
  IncidentCommand command = Command(Action::kGet);
  command.path = Place();
  ASSERT_THAT(Run(command), IsOk());
  EXPECT_THAT(lines(),
              ElementsAre("GET /incidents/db-0/5f-2.tar.zst HTTP/1.1"));
  const std::string name = StrCat(kEvent, ".tar.zst");
  EXPECT_THAT(Files(), ElementsAre(name));
  const std::string path = StrCat(Place(), "/", name);
  EXPECT_THAT(ReadFile(path), IsOkAndHolds(capsule));
  EXPECT_EQ(out_.text,
            StrCat(path, ": ", capsule.size(), " bytes (", capsule.size(),
                   " B), SHA-256 ", evidence::HexOf(capsule), "\nevent ",
                   kEvent, ", revision 1: 1 files, as the manifest says\n"));
}

TEST_F(IncidentCommandTest, ReplacesAFileOnlyWhenToldTo) {
  SetAnswer(200, Capsule());
  IncidentCommand command = Command(Action::kGet);
  command.path = Place() + "/mine";
  ASSERT_THAT(WriteFileAtomically(command.path, "old"), IsOk());
  EXPECT_THAT(Run(command),
              StatusIs(Code::kAlreadyExists, HasSubstr("--force")));
  EXPECT_THAT(lines(), IsEmpty());  // it was not even asked
  EXPECT_THAT(ReadFile(command.path), IsOkAndHolds("old"));
  command.force = true;
  ASSERT_THAT(Run(command), IsOk());
  EXPECT_THAT(ReadFile(command.path), IsOkAndHolds(Capsule()));
  EXPECT_THAT(Files(), ElementsAre("mine"));
  // The name is only known when the capsule has come.
  command.force = false;
  command.path = Place() + "/";
  ASSERT_THAT(Run(command), IsOk());
  EXPECT_THAT(Run(command), StatusIs(Code::kAlreadyExists, HasSubstr(kEvent)));
  EXPECT_THAT(Files(), ElementsAre(StrCat(kEvent, ".tar.zst"), "mine"));
}

TEST_F(IncidentCommandTest, LeavesNothingOfADownloadThatIsNotWhole) {
  const std::string capsule = Capsule();
  IncidentCommand command = Command(Action::kGet);
  command.path = Place();
  // The connection breaks, within the capsule or just before its end.
  for (const std::size_t size : {capsule.size() / 2, capsule.size(), 0ul}) {
    SetAnswer(200, capsule.substr(0, size), /*cut=*/true);
    EXPECT_THAT(Run(command),
                StatusIs(Code::kDataLoss, HasSubstr("/incidents/db-0/5f-2")));
    EXPECT_THAT(Files(), IsEmpty());
  }
  // A clean end that is none.
  for (const std::string& body :
       {capsule.substr(0, capsule.size() / 2), std::string(), capsule + "x",
        std::string("{}")}) {
    SetAnswer(200, body);
    EXPECT_THAT(Run(command),
                StatusIs(Code::kDataLoss, HasSubstr("no whole capsule")));
    EXPECT_THAT(Files(), IsEmpty());
  }
  SetAnswer(404, "no such event\n");
  EXPECT_THAT(Run(command),
              StatusIs(Code::kInvalidArgument, HasSubstr("no such event")));
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(out_.text, "");
  command.path = Place() + "/none/x";
  EXPECT_THAT(Run(command), StatusIs(Code::kNotFound, HasSubstr("none")));
}

// The name of the file is that of the capsule's event, which was checked, and
// never the proxy's or the caller's word.
TEST_F(IncidentCommandTest, ACapsuleCannotChooseItsPlace) {
  IncidentCommand command = Command(Action::kGet);
  command.path = Place();
  const std::string meta = evidence::EncodeEventMeta({});
  for (const char* id : {"../../evil", "/tmp/evil", ".hidden", "evil"}) {
    SetAnswer(200, evidence::Compress(evidence::MakeTar(evidence::WithManifest(
                       id, {{"meta.json", meta}, {"a", "x"}}))));
    EXPECT_THAT(Run(command), StatusIs(Code::kDataLoss, HasSubstr("capsule")));
  }
  SetAnswer(200, Capsule());
  command.id = "20270101T000000.000000000Z";
  EXPECT_THAT(Run(command), StatusIs(Code::kDataLoss, HasSubstr(kEvent)));
  EXPECT_THAT(Files(), IsEmpty());
}

}  // namespace
}  // namespace fodc::ctl
