// SPDX-License-Identifier: Apache-2.0
#include "own_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"
#include "fodc/guard/panic.h"
#include "fodc/guard/profile.h"
#include "fodc/guard/soft_limit.h"

namespace fodc::guard {
namespace {

using ::testing::IsSupersetOf;

std::vector<std::string> ThreadNames() {
  std::vector<std::string> names;
  const auto tids = ListDirectory("/proc/self/task");
  for (const std::string& tid : *tids) {
    const auto name = ReadFile("/proc/self/task/" + tid + "/comm");
    if (name.ok()) names.emplace_back(Trim(*name));
  }
  return names;
}

// So that whoever sees one in top or in a record knows whose it is.
TEST(StartThreadTest, ThreadsOfTheLibraryHaveNames) {
  const TempDirectory dir;
  MemwatchOptions watching;
  watching.source = MemorySource::kRss;
  watching.hard.percent = 100;
  const auto watch = Memwatch::Create(std::move(watching));
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  SoftLimiterOptions soft;
  soft.limit = ParseSoftLimit("100%").value();
  const auto limiter = SoftLimiter::Create(soft);
  ASSERT_THAT(limiter, IsOk());
  ASSERT_THAT((*limiter)->Start(), IsOk());
  PanicOptions panics;
  panics.directory = dir.File("crash");
  panics.write_in_background = true;
  const auto recorder = PanicRecorder::Create(panics);
  ASSERT_THAT(recorder, IsOk());
  const auto server = ProfileServer::Create({.listen = "127.0.0.1:0"});
  ASSERT_THAT(server, IsOk());
  EXPECT_THAT(ThreadNames(),
              IsSupersetOf({"fodc-memwatch", "fodc-deadline", "fodc-soft-limit",
                            "fodc-artifacts", "fodc-profiles"}));
}

}  // namespace
}  // namespace fodc::guard
