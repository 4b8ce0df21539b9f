// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/backup/lease.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

using nlohmann::json;
using ::testing::_;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    options_.catalog.node_id = "node-1";
    options_.owner = "me";
    options_.snapshots = [this](const std::stop_token&) { return Take(); };
    for (const std::string_view catalog : kCatalogs) Add(catalog, "snap-1");
  }
  std::string Directory(std::string_view catalog, std::string_view name) {
    return dir_.File(StrCat(catalog, "/snapshots/", name));
  }
  void Add(std::string_view catalog, std::string_view name) {
    const std::string directory = Directory(catalog, name);
    ASSERT_THAT(MakeDirectories(directory + "/group"), IsOk());
    std::ofstream(directory + "/group/file") << catalog;
    snapshots_.push_back({.catalog = std::string(catalog),
                          .name = std::string(name),
                          .directory = directory});
  }
  Result<std::vector<Snapshot>> Take() {
    ++taken_;
    return snapshots_;
  }
  RunReport Run(std::stop_token stop = {}) {
    store_.Forget();
    RunProgress progress;
    RunReport report = RunBackup(store_, options_, clock_, stop, &progress);
    json_ = json::parse(report.ToJson(progress));
    return report;
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const std::string& key : store_.keys()) {
      if (key.find("/.meta/") == key.npos) files.push_back(key);
    }
    return files;
  }

  const TempDirectory dir_;
  FakeClock clock_;
  object_store::MemoryStore store_{SystemClock()};
  RunOptions options_;
  std::vector<Snapshot> snapshots_;
  int taken_ = 0;
  json json_;
};

TEST_F(RunTest, TakesAllCatalogsAndSaysSo) {
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.outcome, Outcome::kSuccess);
  EXPECT_TRUE(IsTimeDirName(report.time_dir));
  EXPECT_THAT(Files(), SizeIs(5));
  EXPECT_THAT(Files(),
              Contains(report.time_dir + "/schema-property/group/file"));
  EXPECT_EQ(json_["result"], "success");
  EXPECT_EQ(json_["catalogs"].size(), 5U);
  EXPECT_EQ(json_["catalogs"][0]["catalog"], "stream");
  EXPECT_EQ(json_["catalogs"][0]["uploaded"], 1);
  // The lease is given back.
  EXPECT_THAT(store_.keys(), Not(Contains(Lease::KeyOf(report.time_dir))));
}

// Upstream tells only what became of the last.
TEST_F(RunTest, AFailureOfTheFirstIsNotLostAndTheOthersGoOn) {
  store_.set_before([](std::string_view operation, std::string_view key) {
    return operation == "put" && key.ends_with("/stream/group/file")
               ? PermissionDenied("put: AccessDenied")
               : OkStatus();
  });
  const RunReport report = Run();
  EXPECT_EQ(report.outcome, Outcome::kPartial);
  EXPECT_THAT(report.status,
              StatusIs(Code::kPermissionDenied, HasSubstr("stream")));
  EXPECT_THAT(Files(), SizeIs(4));
  EXPECT_EQ(json_["result"], "partial");
  EXPECT_THAT(json_["catalogs"][0]["error"].get<std::string>(),
              HasSubstr("AccessDenied"));
  store_.set_before([](std::string_view operation, std::string_view key) {
    return operation == "put" && key.ends_with("/group/file")
               ? PermissionDenied("put: AccessDenied")
               : OkStatus();
  });
  for (const auto& [key, object] : store_.objects())
    store_.Delete({key}, {}).IgnoreError();
  EXPECT_EQ(Run().outcome, Outcome::kFailure);
}

TEST_F(RunTest, WhatTheNodeLeftOutMakesItPartial) {
  snapshots_[1].partial = "group g: disk";
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.outcome, Outcome::kPartial);
  EXPECT_EQ(json_["catalogs"][1]["missing"][0], "group g: disk");
}

TEST_F(RunTest, ADirectoryOfAnotherNodeIsRefused) {
  ASSERT_EQ(Run().outcome, Outcome::kSuccess);
  options_.catalog.node_id = "node-2";
  snapshots_.resize(1);
  const RunReport report = Run();
  EXPECT_EQ(report.outcome, Outcome::kRefused);
  EXPECT_THAT(report.status.message(), HasSubstr("is of node \"node-1\""));
  EXPECT_THAT(Files(), SizeIs(5));
  EXPECT_THAT(store_.Asked("put"), SizeIs(1)) << "the lease";
}

TEST_F(RunTest, TwoAtOneDestinationAreRefused) {
  const std::string time_dir = TimeDirName(clock_.Unix(), TimeStyle::kDaily);
  const auto lease =
      Lease::Take(store_, {.time_dir = time_dir, .owner = "another"},
                  SystemClock(), {}, [](const Status&) {});
  ASSERT_THAT(lease, IsOk());
  const RunReport report = Run();
  EXPECT_EQ(report.outcome, Outcome::kRefused);
  EXPECT_THAT(report.status.message(), HasSubstr("another writes there"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, TwoOfOneMachineAreRefused) {
  options_.lock_file = dir_.File("lock");
  options_.snapshots =
      [this](const std::stop_token&) -> Result<std::vector<Snapshot>> {
    RunOptions inner = options_;
    inner.snapshots = [this](const std::stop_token&) { return Take(); };
    RunProgress progress;
    EXPECT_EQ(RunBackup(store_, inner, clock_, {}, &progress).outcome,
              Outcome::kRefused);
    return Take();
  };
  EXPECT_EQ(Run().outcome, Outcome::kSuccess);
}

// The node keeps so many, and removes the oldest, also under a reader.
TEST_F(RunTest, OneThatTheNodeRemovedIsTakenAnew) {
  std::filesystem::remove_all(Directory("measure", "snap-1"));
  options_.snapshots = [this](const std::stop_token&) {
    if (taken_ == 1) {
      snapshots_.clear();
      for (const std::string_view catalog : kCatalogs) Add(catalog, "snap-2");
    }
    return Take();
  };
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.outcome, Outcome::kSuccess);
  EXPECT_EQ(taken_, 2);
  EXPECT_THAT(Files(), SizeIs(5));
  EXPECT_EQ(json_["catalogs"][1]["snapshot"], "snap-2");
}

TEST_F(RunTest, WithoutASnapshotNothingHappens) {
  options_.snapshots =
      [](const std::stop_token&) -> Result<std::vector<Snapshot>> {
    return Unavailable("no node");
  };
  RunReport report = Run();
  EXPECT_EQ(report.outcome, Outcome::kFailure);
  EXPECT_THAT(report.status, StatusIs(Code::kUnavailable, _));
  EXPECT_EQ(json_["error"], "no node");
  EXPECT_THAT(store_.keys(), IsEmpty());
  // A node without data has none, and that is no failure.
  options_.snapshots = [](const std::stop_token&) {
    return Result<std::vector<Snapshot>>(std::vector<Snapshot>());
  };
  EXPECT_EQ(Run().outcome, Outcome::kSuccess);
}

TEST_F(RunTest, AStopEndsItAndGivesTheLeaseBack) {
  std::stop_source stop;
  store_.set_before([&](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("measure/group/file"))
      stop.request_stop();
    return OkStatus();
  });
  const RunReport report = Run(stop.get_token());
  EXPECT_THAT(report.status, StatusIs(Code::kCancelled, _));
  EXPECT_THAT(report.catalogs, SizeIs(2));
  EXPECT_THAT(store_.keys(), Not(Contains(Lease::KeyOf(report.time_dir))));
}

TEST_F(RunTest, ADryRunChangesNothing) {
  options_.catalog.is_dry_run = true;
  EXPECT_EQ(Run().outcome, Outcome::kSuccess);
  EXPECT_THAT(store_.keys(), IsEmpty());
  EXPECT_THAT(store_.Asked("prepare"), IsEmpty());
}

// What a run would make there counts as empty; what it would miss, too, does
// not.
TEST_F(RunTest, ADryRunTellsWhereNothingIsYet) {
  options_.catalog.is_dry_run = true;
  store_.set_before([](std::string_view operation, std::string_view) {
    return operation == "list" ? NotFound("no container") : OkStatus();
  });
  EXPECT_EQ(Run().outcome, Outcome::kFailure);
  EXPECT_THAT(json_["error"], HasSubstr("no container"));
  store_.is_prepared_by_runs = true;
  EXPECT_EQ(Run().outcome, Outcome::kSuccess);
  EXPECT_EQ(json_["catalogs"][0]["uploaded"], 1) << json_;
}

}  // namespace
}  // namespace fodc::backup
