// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/incident_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/agent/agent.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/evidence/incident_testing.h"
#include "fodc/evidence/kept_incidents.h"

namespace fodc::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class IncidentFileTest : public ::testing::Test {
 protected:
  IncidentFile Open(evidence::IncidentList& list) {
    return {loop_, dir_.path(), pod_, [this] { return is_ours_; }, list};
  }
  std::size_t OnDisk() {
    const auto text = ReadFile(dir_.File("incidents"));
    if (!text.ok()) return 0;
    const auto kept = evidence::DecodeIncidents(*text);
    EXPECT_THAT(kept, IsOk());
    return kept.ok() ? kept->incidents.size() : 0;
  }

  TempDirectory dir_;
  FakeClock clock_;
  net::EventLoop loop_{clock_, kLoopOptions};
  bool is_ours_ = true;
  std::string pod_ = "db-0";
};

TEST_F(IncidentFileTest, ALaterLifeHasThemEndedIfNobodySawTheEnd) {
  {
    evidence::IncidentList list;
    IncidentFile file = Open(list);
    file.Read();
    for (const char* id : {"a", "b", "c"}) {
      ASSERT_THAT(list.Put(evidence::OpenIncident(id)), IsOk());
      file.Write();
    }
    ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == 3; }));
    EXPECT_FALSE(file.is_failing());
  }
  evidence::IncidentList list;
  Open(list).Read();
  ASSERT_THAT(list.all(), SizeIs(3));
  EXPECT_EQ(list.open(), 0u);
  EXPECT_EQ(list.Find("a")->ended_ms, 1001);
}

TEST_F(IncidentFileTest, WhatIsAnotherPodsIsLeftOut) {
  {
    evidence::IncidentList list;
    IncidentFile file = Open(list);
    file.Read();
    ASSERT_THAT(list.Put(evidence::OpenIncident("a")), IsOk());
    file.Write();
    ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == 1; }));
  }
  pod_ = "db-1";
  const LogCapture log;
  evidence::IncidentList list;
  Open(list).Read();
  EXPECT_THAT(list.all(), IsEmpty());
  EXPECT_THAT(log.Lines("was_of=db-0"), SizeIs(1));
}

TEST_F(IncidentFileTest, ADirectoryThatIsAnothersIsLeftAloneUntilItIsOurs) {
  evidence::IncidentList earlier;
  ASSERT_THAT(earlier.Put(evidence::OpenIncident("a")), IsOk());
  ASSERT_THAT(
      WriteFileAtomically(dir_.File("incidents"),
                          evidence::EncodeIncidents(pod_, earlier.all())),
      IsOk());
  is_ours_ = false;
  evidence::IncidentList list;
  IncidentFile file = Open(list);
  bool is_late = false;
  file.set_on_late([&] { is_late = true; });
  file.Read();
  ASSERT_THAT(list.Put(evidence::OpenIncident("b")), IsOk());
  file.Write();
  EXPECT_THAT(list.all(), SizeIs(1));
  EXPECT_EQ(OnDisk(), 1u);
  is_ours_ = true;
  file.Retry();
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == 2; }));
  EXPECT_TRUE(is_late);
  ASSERT_THAT(list.all(), SizeIs(2));
  EXPECT_EQ(list.all()[0]->id, "a") << "of an earlier life: the first to go";
  EXPECT_TRUE(list.all()[1]->is_open());
}

}  // namespace
}  // namespace fodc::agent
