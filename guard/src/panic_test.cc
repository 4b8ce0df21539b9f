// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/panic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

[[gnu::noinline]] void ThrowTorn() {
  throw std::runtime_error("torn \"tail\"");
}

class PanicTest : public ::testing::Test {
 protected:
  PanicOptions Options() {
    PanicOptions o;
    o.directory = root_;
    o.clock = &clock_;
    o.metrics = metrics_.get();
    o.metadata = {{"shard", "1"}};
    o.sink = [this](const Event& e) {
      std::string line(e.message);
      for (const EventField& f : e.fields) {
        if (f.key == "stack") continue;
        line += " " + std::string(f.key) + "=" + std::string(f.value);
      }
      steps_.push_back(line);
    };
    return o;
  }
  std::unique_ptr<PanicRecorder> Make(PanicOptions o) {
    return std::move(PanicRecorder::Create(std::move(o))).value();
  }
  std::unique_ptr<PanicRecorder> Make() { return Make(Options()); }

  static GuardedOptions Dump(StateDumper dumper) {
    GuardedOptions call;
    call.state_dumper = std::move(dumper);
    return call;
  }

  static json Read(const GuardedResult& r) {
    return json::parse(
        ReadFile(r.record->artifact_directory + "/panic.json").value_or("{}"));
  }
  std::uint64_t Count(const char* family, const char* label,
                      const char* value) {
    return (*metrics_->FindCounter(family, {{label, value}}))->value();
  }
  std::uint64_t Count(const char* component) {
    return Count("fodc_guard_panics_total", "component", component);
  }

  TempDirectory temp_{"fodc-panic"};
  std::string root_ = temp_.File("crash");
  FakeClock clock_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
  std::vector<std::string> steps_;
};

TEST_F(PanicTest, ATaskThatEndsLeavesNothing) {
  const auto recorder = Make();
  bool ran = false;
  const GuardedResult r = recorder->Run("flush", [&] { ran = true; });
  EXPECT_TRUE(ran);
  EXPECT_FALSE(r.panicked);
  EXPECT_EQ(r.exception, nullptr);
  EXPECT_EQ(r.record, nullptr);
  EXPECT_EQ(r.artifact.state(), ArtifactState::kSkipped);
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(steps_, IsEmpty());
}

TEST_F(PanicTest, AnExceptionBecomesAnArtifact) {
  const auto recorder = Make();
  const GuardedResult r = recorder->Run("measure flush", [] {
    AddBreadcrumb("load", "measure", {{"part", "12"}});
    ThrowTorn();
  });
  ASSERT_TRUE(r.panicked);
  EXPECT_EQ(r.artifact.state(), ArtifactState::kWritten);
  EXPECT_THAT(ListDirectory(root_),
              IsOkAndHolds(ElementsAre("20260101T000000.000000000Z-measure-"
                                       "flush-" +
                                       std::to_string(::getpid()))));
  const json j = Read(r);
  EXPECT_EQ(j.at("component"), "measure flush");
  EXPECT_EQ(j.at("panicValue"), "std::runtime_error: torn \"tail\"");
  EXPECT_EQ(j.at("occurredAt"), "2026-01-01T00:00:00.000000000Z");
  EXPECT_EQ(j.at("recovered"), true);
  EXPECT_EQ(j.at("artifactId"), r.record->artifact_id);
  EXPECT_EQ(j.at("processMetadata").at("shard"), "1");
  EXPECT_EQ(j.at("processMetadata").at("pid"), std::to_string(::getpid()));
  ASSERT_THAT(j.at("breadcrumbs"), SizeIs(1));
  EXPECT_EQ(j.at("breadcrumbs")[0].at("fields"), json({{"part", "12"}}));
  EXPECT_FALSE(j.contains("stateDump"));
  EXPECT_THROW(std::rethrow_exception(r.exception), std::runtime_error);
  EXPECT_EQ(Count("measure flush"), 1u);
}

TEST_F(PanicTest, TheStackIsThatOfTheThrow) {
  const auto recorder = Make();
  const GuardedResult r = recorder->Run("c", ThrowTorn);
  // The address of a call within ThrowTorn, which begins there.
  const auto begin = reinterpret_cast<std::uintptr_t>(&ThrowTorn);
  bool is_there = false;
  const std::string& stack = r.record->stack;
  for (std::size_t at = 0; (at = stack.find(" 0x", at)) != stack.npos; ++at) {
    const std::uintptr_t pc = std::stoull(stack.substr(at + 3), nullptr, 16);
    is_there = is_there || (pc >= begin && pc < begin + 512);
  }
  EXPECT_TRUE(is_there) << stack;
  EXPECT_THAT(stack, StartsWith("thread "));
  EXPECT_THAT(stack, HasSubstr("[exception]:\n  #0 0x"));
  EXPECT_THAT(stack, HasSubstr("\nmodules:\n"));
  // One that was caught and thrown again elsewhere has another.
  const GuardedResult inner = recorder->Run("c", [] {
    try {
      ThrowTorn();
    } catch (const std::exception&) {
      throw;
    }
  });
  EXPECT_TRUE(inner.panicked);
}

TEST_F(PanicTest, AnyTypeIsTold) {
  const auto recorder = Make();
  const auto value = [&](const std::function<void()>& task) {
    return recorder->Run("c", task).record->value;
  };
  EXPECT_EQ(value([] { throw 7; }), "int");
  EXPECT_EQ(value([] { throw "bare"; }), "char const*: bare");
  EXPECT_THAT(value([] { throw std::string("text"); }), HasSubstr(": text"));
  EXPECT_THAT(value([] { throw std::runtime_error(std::string(9000, 'x')); }),
              SizeIs(4096));
}

TEST_F(PanicTest, StepsAreInTheOrderOfTheContract) {
  PanicOptions o = Options();
  o.reporter = [this](const PanicRecord& r) {
    EXPECT_EQ(Count("c"), 1u);
    // The path is told before anything is there.
    EXPECT_EQ(r.artifact_directory, root_ + "/" + r.artifact_id);
    EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
    steps_.emplace_back("reporter");
  };
  o.on_abort = [this] {
    EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
    steps_.emplace_back("abort");
  };
  const auto recorder = Make(std::move(o));
  GuardedOptions call;
  call.state_dumper = [this](StateDump*) { steps_.emplace_back("dump"); };
  call.reporter = [this](const PanicRecord&) {
    steps_.emplace_back("call's reporter");
  };
  const GuardedResult r = recorder->Run(
      "c",
      [] {
        AddBreadcrumb("a");
        AddBreadcrumb("b");
        throw std::runtime_error("x");
      },
      call);
  EXPECT_THAT(steps_,
              ElementsAre("dump",
                          "panic component=c value=std::runtime_error: x "
                          "breadcrumbs=a > b artifact=" +
                              r.record->artifact_directory,
                          "reporter", "call's reporter", "abort"));
  EXPECT_EQ(r.artifact.state(), ArtifactState::kWritten);
}

TEST_F(PanicTest, AHookThatThrowsStopsNothing) {
  PanicOptions o = Options();
  o.reporter = [](const PanicRecord&) { throw 1; };
  o.on_abort = [] { throw std::runtime_error("abort"); };
  const auto recorder = Make(std::move(o));
  GuardedOptions call;
  call.state_dumper = [](StateDump* dump) {
    dump->Add("half", 1);
    throw std::runtime_error("dumper");
  };
  call.reporter = [](const PanicRecord&) { throw std::string("text"); };
  const GuardedResult r = recorder->Run("c", ThrowTorn, call);
  EXPECT_EQ(r.artifact.state(), ArtifactState::kWritten);
  EXPECT_EQ(Read(r).at("stateDump"),
            json({{"error", "std::runtime_error: dumper"}}));
  EXPECT_THAT(steps_, SizeIs(5));
  for (const char* hook :
       {"state_dumper", "reporter", "call's reporter", "on_abort"}) {
    EXPECT_THAT(steps_, Contains(StartsWith("panic hook failed hook=" +
                                            std::string(hook))));
  }
}

TEST_F(PanicTest, AStateDumpIsWrittenBesideTheRecord) {
  const auto recorder = Make();
  const GuardedResult r = recorder->Run(
      "c", ThrowTorn, Dump([](StateDump* dump) { dump->Add("queue", 3); }));
  const std::string path = r.record->artifact_directory + "/deep-dump.json";
  EXPECT_EQ(Read(r).at("stateDump"), json({{"path", path}}));
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("{\n  \"queue\": 3\n}\n"));
}

TEST_F(PanicTest, AStateDumpOverTheLimitIsNotWritten) {
  PanicOptions o = Options();
  o.max_state_dump_bytes = 16;
  const auto recorder = Make(std::move(o));
  const GuardedResult r = recorder->Run(
      "c", ThrowTorn,
      Dump([](StateDump* dump) { dump->Add("queue", 333333333); }));
  EXPECT_THAT(ListDirectory(r.record->artifact_directory),
              IsOkAndHolds(ElementsAre("panic.json")));
  const json dump = Read(r).at("stateDump");
  EXPECT_EQ(dump.at("truncated"), true);
  EXPECT_THAT(dump.at("error").get<std::string>(), HasSubstr("16 bytes"));
  EXPECT_FALSE(dump.contains("path"));
}

TEST_F(PanicTest, TheNewestArtifactsStay) {
  PanicOptions o = Options();
  o.max_artifacts = 2;
  const auto recorder = Make(std::move(o));
  std::vector<std::string> ids;
  // The same nanosecond: each has a name of its own all the same.
  for (int i = 0; i < 4; ++i) {
    ids.push_back(recorder->Run("c", ThrowTorn).record->artifact_id);
  }
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(ElementsAre(ids[2], ids[3])));
}

TEST_F(PanicTest, WithoutADirectoryAllButTheArtifactHappens) {
  PanicOptions o = Options();
  o.directory.clear();
  const auto recorder = Make(std::move(o));
  const GuardedResult r = recorder->Run("c", ThrowTorn, Dump([](StateDump*) {
                                          ADD_FAILURE() << "nowhere to put it";
                                        }));
  EXPECT_EQ(r.record->artifact_directory, "");
  EXPECT_EQ(r.artifact.state(), ArtifactState::kSkipped);
  EXPECT_THAT(steps_, SizeIs(1));
}

TEST_F(PanicTest, ADiskThatRefusesIsToldAndCounted) {
  ASSERT_THAT(WriteFileAtomically(root_, "a file"), IsOk());
  const auto recorder = Make();
  EXPECT_THAT(steps_, ElementsAre(StartsWith("panic directory cannot be")));
  const GuardedResult r = recorder->Run("c", ThrowTorn);
  EXPECT_EQ(r.artifact.state(), ArtifactState::kFailed);
  EXPECT_THAT(steps_.back(), StartsWith("panic artifact not written"));
  EXPECT_EQ(Count("fodc_guard_panic_artifacts_dropped_total", "reason", "disk"),
            1u);
}

TEST_F(PanicTest, AThreadHasAForkOfTheBreadcrumbs) {
  const auto recorder = Make();
  const ScopedBreadcrumbs scope(std::make_shared<BreadcrumbStore>());
  AddBreadcrumb("before");
  GuardedResult seen;
  Result<std::thread> t = recorder->RunInThread(
      "worker",
      [] {
        AddBreadcrumb("inside");
        ThrowTorn();
      },
      {}, [&seen](const GuardedResult& r) { seen = r; });
  ASSERT_THAT(t, IsOk());
  AddBreadcrumb("after");
  t->join();
  ASSERT_TRUE(seen.panicked);
  ASSERT_THAT(seen.record->breadcrumbs, SizeIs(2));
  EXPECT_EQ(seen.record->breadcrumbs[0].stage, "before");
  EXPECT_EQ(seen.record->breadcrumbs[1].stage, "inside");
}

// A loop's thread runs one task after the other.
TEST_F(PanicTest, ATaskTellsNothingOfThoseBefore) {
  std::thread([&] {
    const auto recorder = Make();
    AddBreadcrumb("loop");
    for (int i = 0; i < 100; ++i) {
      (void)recorder->Run("task", [] { AddBreadcrumb("step"); });
    }
    const GuardedResult r = recorder->Run("task", [] {
      AddBreadcrumb("last");
      ThrowTorn();
    });
    ASSERT_TRUE(r.panicked);
    ASSERT_THAT(r.record->breadcrumbs, SizeIs(2));
    EXPECT_EQ(r.record->breadcrumbs[0].stage, "loop");
    EXPECT_EQ(r.record->breadcrumbs[1].stage, "last");
  }).join();
}

TEST_F(PanicTest, WhatWasCaughtElsewhereIsRecorded) {
  const auto recorder = Make();
  EXPECT_FALSE(recorder->Record("grpc.queue-sub", nullptr).panicked);
  GuardedResult r;
  try {
    ThrowTorn();
  } catch (...) {
    r = recorder->Record("grpc.queue-sub", std::current_exception());
  }
  EXPECT_TRUE(r.panicked);
  EXPECT_EQ(Read(r).at("panicValue"), "std::runtime_error: torn \"tail\"");
  EXPECT_THAT(r.record->stack, HasSubstr("  #1 0x"));
}

TEST_F(PanicTest, ComponentsAreBounded) {
  PanicOptions o = Options();
  o.directory.clear();
  const auto recorder = Make(std::move(o));
  for (std::size_t i = 0; i < PanicRecorder::kMaxComponents + 5; ++i) {
    (void)recorder->Run("c" + std::to_string(i), [] { throw 1; });
  }
  EXPECT_EQ(Count("c0"), 1u);
  EXPECT_EQ(Count("other"), 5u);
}

TEST_F(PanicTest, InTheBackgroundReportersComeBeforeTheWriteAndFullDrops) {
  std::promise<void> reported;
  std::promise<void> go;
  std::shared_future<void> going = go.get_future().share();
  PanicOptions o = Options();
  o.max_artifacts = 0;
  o.write_in_background = true;
  // The worker stands in the event of its first write, which fails.
  std::atomic<bool> is_first{true};
  std::atomic<int> dropped{0};
  o.sink = [&](const Event& e) {
    if (e.message == "panic artifact dropped") ++dropped;
    if (e.message == "panic artifact not written" && is_first.exchange(false)) {
      reported.set_value();
      going.wait();
    }
  };
  const auto recorder = Make(std::move(o));
  ASSERT_EQ(::rmdir(root_.c_str()), 0);
  ASSERT_THAT(WriteFileAtomically(root_, "in the way"), IsOk());
  const GuardedResult first = recorder->Run("c", ThrowTorn);
  reported.get_future().wait();
  EXPECT_EQ(first.artifact.state(), ArtifactState::kPending);
  ASSERT_EQ(::unlink(root_.c_str()), 0);
  std::vector<GuardedResult> more;
  for (std::size_t i = 0; i < PanicRecorder::kMaxQueued + 3; ++i) {
    more.push_back(recorder->Run("c", ThrowTorn));
  }
  EXPECT_EQ(dropped, 3);
  EXPECT_EQ(more.back().artifact.state(), ArtifactState::kSkipped);
  go.set_value();
  EXPECT_TRUE(recorder->Close(60s));
  EXPECT_EQ(first.artifact.state(), ArtifactState::kFailed);
  EXPECT_EQ(more.front().artifact.Wait(60s), ArtifactState::kWritten);
  EXPECT_EQ(ListDirectory(root_)->size(), PanicRecorder::kMaxQueued);
  EXPECT_EQ(recorder->Run("c", ThrowTorn).artifact.state(),
            ArtifactState::kSkipped);
}

// The sanitizers do not follow a cancelled thread.
#ifndef FODC_SANITIZED
TEST_F(PanicTest, TheCancellationOfAThreadIsNoPanic) {
  const auto recorder = Make();
  bool returned = false;
  std::thread t([&] {
    (void)recorder->Run("c", [] { ::pthread_exit(nullptr); });
    returned = true;
  });
  t.join();
  EXPECT_FALSE(returned);
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
}
#endif

TEST_F(PanicTest, OptionsOutOfRangeAreRefused) {
  PanicOptions dump = Options();
  dump.max_state_dump_bytes = std::size_t{1} << 40;
  EXPECT_THAT(PanicRecorder::Create(std::move(dump)),
              StatusIs(Code::kInvalidArgument, HasSubstr("max_state_dump")));
  PanicOptions drain = Options();
  drain.drain_limit = -1ms;
  EXPECT_THAT(PanicRecorder::Create(std::move(drain)),
              StatusIs(Code::kInvalidArgument, HasSubstr("drain_limit")));
  PanicOptions metadata = Options();
  metadata.metadata = {{"k", std::string(std::size_t{1} << 20, 'x')}};
  EXPECT_THAT(PanicRecorder::Create(std::move(metadata)),
              StatusIs(Code::kInvalidArgument, HasSubstr("metadata")));
}

}  // namespace
}  // namespace fodc::guard
