// SPDX-License-Identifier: Apache-2.0
// A disk that takes nothing for a while, as a slow one does: the file system of
// the events is frozen in the midst of a capture.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_store_testing.h"
#include "tests/evidence/evidence_fixture.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHeap[] = "heap profile: 1: 2 [ 3: 4] @ heapprofile\n";

// A file system of its own, in the mount namespace of this process.
class Disk {
 public:
  Disk(const std::string& image, std::string path) : path_(std::move(path)) {
    const std::string made =
        StrCat("truncate -s 256M ", image, " && mkfs.ext4 -q ", image,
               " && mkdir -p ", path_, " && mount -o loop ", image, " ", path_);
    EXPECT_EQ(evidence::Shell(made), 0);
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(fd_.ok());
  }
  ~Disk() {
    Thaw();
    fd_.reset();
    EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  void Freeze() {
    ASSERT_EQ(::ioctl(fd_.get(), FIFREEZE, 0), 0);
    is_frozen_ = true;
  }
  void Thaw() {
    if (std::exchange(is_frozen_, false)) {
      EXPECT_EQ(::ioctl(fd_.get(), FITHAW, 0), 0);
    }
  }

 private:
  const std::string path_;
  UniqueFd fd_;
  bool is_frozen_ = false;
};

class FrozenDiskTest : public EvidenceTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EvidenceTest::SetUp());
    if (IsSkipped()) return;
    if (::access("/dev/loop-control", R_OK | W_OK) != 0) {
      std::printf("SKIPPED: no loop devices for a file system of its own\n");
      GTEST_SKIP();
    }
    // What a test that is killed leaves goes with its namespace.
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    MakeGroup(256);
  }
  // A proxy, and an agent whose capture for memory pressure the disk holds up.
  void StartHeldUp(Disk* disk, std::uint16_t profiles_port) {
    StartProxy();
    ASSERT_NO_FATAL_FAILURE(
        StartAgent(FreePort(),
                   {"--target-comm=" + GrowerName(),
                    StrCat("--pressure-profiler-pprof-port=", profiles_port)}));
    grower_ = StartGrower(*group_, dir_, {"--rate=100", "--until=205"});
    AwaitArmed(grower_.pid());
    ASSERT_NO_FATAL_FAILURE(disk->Freeze());
    ASSERT_EQ(::kill(grower_.pid(), SIGUSR1), 0);
    EXPECT_TRUE(WaitUntil([&] {
      return Trigger("memory_pressure")["fired"] == 1;
    })) << agent_->Get("/explain").body
        << agent_->Log();
  }
  double AtProxy(const std::string& name,
                 const std::map<std::string, std::string>& labels = {}) const {
    return ValueOf(proxy_->Get("/metrics").body, name, labels);
  }

  Process grower_;
};

TEST_F(FrozenDiskTest, HoldsUpTheCaptureAndNothingElse) {
  const FakeEndpoint profiles(
      [](std::string_view, Exchange& e) { (void)e.Answer(200, kHeap); });
  Disk disk(dir_.File("disk.img"), events_);
  ASSERT_NO_FATAL_FAILURE(StartHeldUp(&disk, profiles.port()));
  // It looks, records and ships as ever, and tells of the incident.
  const double looks = Shown("fodc_agent_memory_looks_total");
  const double frames = AtProxy("fodc_proxy_frames_total");
  EXPECT_TRUE(WaitUntil([&] {
    return Shown("fodc_agent_memory_looks_total") > looks + 20 &&
           AtProxy("fodc_proxy_frames_total") > frames + 4;
  })) << agent_->Log();
  EXPECT_TRUE(WaitUntil([&] { return !Incidents("memory_pressure").empty(); }))
      << agent_->Log();
  EXPECT_EQ(AtProxy("fodc_proxy_agents", {{"state", "online"}}), 1);
  EXPECT_THAT(Events(), IsEmpty());

  disk.Thaw();
  ASSERT_TRUE(WaitUntil([&] { return Events().size() == 1; }))
      << agent_->Get("/explain").body << agent_->Log();
  const evidence::EventMeta meta = Events().at(0).meta;
  EXPECT_EQ(Outcome(meta, "heap"), "complete");
  EXPECT_EQ(ReadFile(StrCat(events_, "/", Events().at(0).id, "/heap.pprof"))
                .value_or(""),
            kHeap);
  EXPECT_TRUE(WaitUntil([&] {
    return Says(Incident("memory_pressure"), "Evidence: ");
  })) << Incident("memory_pressure").dump();
  EXPECT_EQ(agent_->Stop(), 0);
  agent_.reset();
}

// The kernel does not let the thread go that waits for the disk: what is not on
// that disk is done without it.
TEST_F(FrozenDiskTest, HoldsUpNoGoodbye) {
  const FakeEndpoint profiles(
      [](std::string_view, Exchange& e) { (void)e.Answer(200, kHeap); });
  Disk disk(dir_.File("disk.img"), events_);
  ASSERT_NO_FATAL_FAILURE(StartHeldUp(&disk, profiles.port()));
  ASSERT_TRUE(WaitUntil([&] { return !Incidents("memory_pressure").empty(); }))
      << agent_->Log();
  agent_->process().Signal(SIGTERM);
  EXPECT_TRUE(WaitUntil([&] {
    return proxy_->Log().find("agent says goodbye") != std::string::npos;
  })) << agent_->Log();
  EXPECT_TRUE(WaitUntil([&] {
    return agent_->Log().find("agent stopped") != std::string::npos;
  })) << agent_->Log();
  EXPECT_TRUE(agent_->process().Running()) << "the disk was not frozen";
  EXPECT_THAT(
      ReadFile(StrCat(agent_->recorder_dir(), "/incidents")).value_or(""),
      HasSubstr("memory_pressure"));
  disk.Thaw();
  EXPECT_EQ(agent_->process().WaitExitCode(std::chrono::seconds(30)), 0);
  agent_.reset();
}

}  // namespace
}  // namespace fodc::test
