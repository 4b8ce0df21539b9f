// SPDX-License-Identifier: Apache-2.0
// Kernel telemetry end to end: a real target, agent and proxy.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/kernel/group.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

constexpr int kReads = 97;
constexpr char kName[] = "fodckernelagent";
constexpr char kPreads[] = "ktm_sys_pread_latency_seconds_count";

// A socket that listens on a free port; nobody accepts.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    auto* const address = reinterpret_cast<sockaddr*>(&a);
    FODC_CHECK(::bind(fd.get(), address, n) == 0 &&
               ::listen(fd.get(), 4) == 0 &&
               ::getsockname(fd.get(), address, &n) == 0);
    port = ntohs(a.sin_port);
  }
  UniqueFd fd;
  std::uint16_t port = 0;
};

// Of the programs that the process holds.
std::vector<std::uint32_t> ProgramsOf(pid_t pid) {
  std::vector<std::uint32_t> ids;
  const std::string directory = StrCat("/proc/", pid, "/fdinfo");
  const auto names = ListDirectory(directory);
  for (const std::string& name :
       names.ok() ? *names : std::vector<std::string>()) {
    const auto text = ReadFile(StrCat(directory, "/", name));
    if (!text.ok()) continue;
    for (std::string_view line : Split(*text, '\n')) {
      if (!ConsumePrefix(&line, "prog_id:")) continue;
      if (const auto id = ParseUint(Trim(line)))
        ids.push_back(static_cast<std::uint32_t>(*id));
    }
  }
  return ids;
}

bool AreGone(const std::vector<std::uint32_t>& ids) {
  for (const std::uint32_t id : ids) {
    const UniqueFd program(::bpf_prog_get_fd_by_id(id));
    if (program.ok()) return false;
  }
  return true;
}

class KernelAgentTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0)
      GTEST_SKIP() << "SKIPPED: needs root to load programs";
    if (Cgroup2Root().empty()) GTEST_SKIP() << "SKIPPED: no cgroup2 is mounted";
    file_ = dir_.File("data");
    ASSERT_TRUE(WriteFileAtomically(file_, std::string(4096, 'x')).ok());
    group_.emplace("fodc_kernel_agent");
    ASSERT_TRUE(proxy_.Start());
  }

  FodcAgent MakeAgent(std::vector<std::string> more = {}) {
    more.push_back("--ktm-interval=200ms");
    more.push_back(StrCat("--ktm-target-comm=", kName));
    // Nothing listens there: the target is known by its name.
    return {dir_,
            {.pod = "n",
             .endpoint_ports = {FreePort()},
             .containers = {"db"},
             .proxy_ports = {proxy_.grpc_port()},
             .recorder_dir = "recorder",
             .flags = std::move(more)}};
  }
  std::unique_ptr<Worker> StartTarget(int reads = kReads) {
    return std::make_unique<Worker>(
        std::vector<const Group*>{&*group_},
        [path = file_, reads] {
          const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
          char byte;
          for (int i = 0; i < reads; ++i) (void)!::pread(fd, &byte, 1, i);
          (void)::close(fd);
        },
        kName);
  }
  double PreadsOf(const std::string& container) {
    return ValueOf(proxy_.Get("/metrics").body, kPreads,
                   {{"container_name", container}});
  }
  double Shown(const std::string& name,
               std::map<std::string, std::string> labels = {}) {
    labels["pod_name"] = "n";
    labels["container_name"] = "db";
    return ValueOf(proxy_.Get("/metrics").body, name, labels);
  }
  bool Shows(const std::string& name, double value,
             const std::map<std::string, std::string>& labels = {}) {
    return WaitUntil([&] { return Shown(name, labels) == value; });
  }

  TempDirectory dir_{"fodc-kernel-agent"};
  std::string file_;
  std::optional<Group> group_;
  FodcProxy proxy_{dir_, {"--heartbeat-interval=1s"}};
};

TEST_F(KernelAgentTest, ATargetIsCountedForLife) {
  FodcAgent agent = MakeAgent();
  ASSERT_TRUE(agent.Start());
  // Later than the agent.
  EXPECT_TRUE(Shows("ktm_status", 0));
  EXPECT_TRUE(Shows("ktm_reason_info", 1, {{"reason", "no_target"}}));
  EXPECT_THAT(ProgramsOf(agent.process().pid()), testing::IsEmpty());
  auto target = StartTarget();
  ASSERT_TRUE(Shows("ktm_status", 2)) << agent.Log();
  ASSERT_TRUE(Shows("ktm_programs_on", 1, {{"family", "read"}}));
  const auto programs = ProgramsOf(agent.process().pid());
  EXPECT_THAT(programs, testing::Not(testing::IsEmpty()));
  target->Run();
  EXPECT_TRUE(Shows(kPreads, kReads)) << Shown(kPreads);
  EXPECT_TRUE(
      Shows("ktm_read_latency_seconds_count", kReads, {{"kind", "file"}}));
  EXPECT_TRUE(Shows("ktm_sys_pread_bytes_total", kReads));
  // Its own reads count to none but it.
  const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  char byte;
  for (int i = 0; i < 1000; ++i) (void)!::pread(fd, &byte, 1, 0);
  (void)::close(fd);

  // Restarted in its container: goes on.
  target = nullptr;
  ASSERT_TRUE(Shows("fodc_target_up", 0));
  target = StartTarget();
  ASSERT_TRUE(Shows("fodc_target_up", 1));
  ASSERT_TRUE(Shows("ktm_status", 2));
  target->Run();
  EXPECT_TRUE(Shows(kPreads, 2 * kReads)) << Shown(kPreads);

  // In a container that is made anew: begins at zero.
  target = nullptr;
  group_->Remove();
  ASSERT_TRUE(Shows("fodc_target_up", 0));
  group_->Make();
  target = StartTarget();
  ASSERT_TRUE(Shows("ktm_status", 2));
  ASSERT_TRUE(WaitUntil([&] { return Shown(kPreads) < kReads; }));
  target->Run();
  EXPECT_TRUE(Shows(kPreads, kReads)) << Shown(kPreads);
  EXPECT_EQ(agent.Stop(), 0);
  EXPECT_TRUE(WaitUntil([&] { return AreGone(programs); }));
}

// Nobody else can: the agent is not its parent.
TEST_F(KernelAgentTest, TheKernelTellsTheFirstResponseHowATargetEnded) {
  FodcAgent agent =
      MakeAgent({"--pressure-profiler-enabled=true",
                 "--pressure-profiler-dir=" + dir_.File("events")});
  auto target = StartTarget();
  ASSERT_TRUE(agent.Start());
  const auto is_armed = [&agent](std::string_view name) {
    const auto shown =
        nlohmann::json::parse(agent.Get("/explain").body, nullptr, false);
    for (const auto& trigger : shown["targets"][0]["triggers"]) {
      if (trigger["trigger"] == name) return trigger["armed"] == true;
    }
    return false;
  };
  EXPECT_TRUE(WaitUntil([&] { return is_armed("read_latency"); }))
      << agent.Get("/explain").body;
  ASSERT_TRUE(Shows("ktm_programs_on", 1, {{"family", "death"}}));
  ASSERT_EQ(::kill(target->pid(), SIGSEGV), 0);
  nlohmann::json incident;
  EXPECT_TRUE(WaitUntil([&] {
    const auto all = nlohmann::json::parse(
        proxy_.Get("/incidents?verdict=target_gone").body, nullptr, false);
    if (!all.is_object() || all["incidents"].empty()) return false;
    incident = all["incidents"][0];
    return incident["summary"].get<std::string>().find("by signal 11") !=
           std::string::npos;
  })) << incident.dump()
      << agent.Log();
  EXPECT_EQ(agent.Stop(), 0);
}

// Found by port. The first has a worker that shares its socket, a fork of the
// same parent.
TEST_F(KernelAgentTest, TwoInstancesOfOneProgramInOneGroupAreApart) {
  std::optional<Listener> first(std::in_place);
  const std::uint16_t first_port = first->port;
  const auto x = StartTarget();
  const auto worker_of_x = StartTarget(211);
  first.reset();
  std::optional<Listener> second(std::in_place);
  const std::uint16_t second_port = second->port;
  const auto y = StartTarget(503);
  second.reset();
  const auto neighbour = StartTarget(701);

  FodcAgent both(dir_, {.pod = "n",
                        .endpoint_ports = {first_port, second_port},
                        .containers = {"x", "y"},
                        .proxy_ports = {proxy_.grpc_port()},
                        .flags = {"--ktm-interval=200ms"}});
  FodcAgent one(dir_, {.pod = "m",
                       .endpoint_ports = {second_port},
                       .containers = {"z"},
                       .proxy_ports = {proxy_.grpc_port()},
                       .flags = {"--ktm-interval=200ms"}});
  ASSERT_TRUE(both.Start());
  ASSERT_TRUE(one.Start());
  for (const char* container : {"x", "y", "z"}) {
    ASSERT_TRUE(WaitUntil([&] { return PreadsOf(container) == 0; }))
        << container << both.Log() << one.Log();
  }
  x->Run();
  worker_of_x->Run();
  y->Run();
  neighbour->Run();
  EXPECT_TRUE(WaitUntil([&] { return PreadsOf("x") == kReads + 211; }))
      << PreadsOf("x");
  EXPECT_TRUE(WaitUntil([&] { return PreadsOf("y") == 503; })) << PreadsOf("y");
  EXPECT_TRUE(WaitUntil([&] { return PreadsOf("z") == 503; })) << PreadsOf("z");
  EXPECT_EQ(both.Stop(), 0);
  EXPECT_EQ(one.Stop(), 0);
}

TEST_F(KernelAgentTest, AnAgentThatIsKilledLeavesNothingAndANewOneGoesOn) {
  auto target = StartTarget();
  FodcAgent agent = MakeAgent();
  ASSERT_TRUE(agent.Start());
  ASSERT_TRUE(Shows("ktm_status", 2)) << agent.Log();
  ASSERT_TRUE(Shows("ktm_programs_on", 1, {{"family", "read"}}));
  const auto programs = ProgramsOf(agent.process().pid());
  EXPECT_THAT(programs, testing::Not(testing::IsEmpty()));
  agent.Kill();
  EXPECT_TRUE(WaitUntil([&] { return AreGone(programs); }));
  ASSERT_TRUE(agent.Start());
  ASSERT_TRUE(Shows("ktm_status", 2));
  target->Run();
  EXPECT_TRUE(Shows(kPreads, kReads)) << Shown(kPreads);
}

// After attaching it holds what its features need, and can still attach.
TEST_F(KernelAgentTest, KeepsNoCapabilityThatItDoesNotNeed) {
  FodcAgent agent = MakeAgent();
  ASSERT_TRUE(agent.Start());
  const auto status =
      ReadFile(StrCat("/proc/", agent.process().pid(), "/status"));
  ASSERT_TRUE(status.ok());
  // BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH.
  EXPECT_THAT(*status, testing::HasSubstr("CapEff:\t000000c000080004\n"));
  EXPECT_THAT(*status, testing::HasSubstr("CapPrm:\t000000c000080004\n"));
  auto target = StartTarget();
  EXPECT_TRUE(Shows("ktm_status", 2)) << agent.Log();
}

TEST_F(KernelAgentTest, WithoutPermissionItWorksAndSaysSo) {
  const auto target = StartTarget();
  const std::uint16_t http = FreePort();
  const std::string setpriv = FindProgram("setpriv");
  ASSERT_NE(setpriv, "") << "setpriv (util-linux) is missing";
  ProcessOptions o;
  o.name = "agent";
  o.argv = {setpriv,
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            ProgramPath("fodc-agent"),
            "--ktm-enabled",
            "--pod-name=n",
            "--container-names=db",
            StrCat("--poll-metrics-ports=", FreePort()),
            "--poll-metrics-interval=250ms",
            "--ktm-interval=200ms",
            StrCat("--ktm-target-comm=", kName),
            StrCat("--prometheus-listen-addr=127.0.0.1:", http),
            StrCat("--diagnosis-listen-addr=127.0.0.1:", http),
            StrCat("--proxy-addr=127.0.0.1:", proxy_.grpc_port())};
  o.log_path = dir_.File("unprivileged.log");
  Process agent = Process::Start(o);
  EXPECT_TRUE(Shows("ktm_status", 0)) << agent.Log();
  EXPECT_TRUE(Shows("ktm_reason_info", 1, {{"reason", "no_permission"}}))
      << agent.Log();
  EXPECT_TRUE(Shows("fodc_target_up", 1));
  EXPECT_TRUE(std::isnan(Shown(kPreads)));
  EXPECT_THAT(agent.Log(), testing::HasSubstr("not permitted"));
  EXPECT_THAT(ProgramsOf(agent.pid()), testing::IsEmpty());
  EXPECT_EQ(agent.Stop(), 0);
}

// What the doctor says is what happens.
TEST_F(KernelAgentTest, TheDoctorTellsTheTruth) {
  const auto target = StartTarget();
  FodcAgent agent = MakeAgent();
  ASSERT_TRUE(agent.Start());
  ASSERT_TRUE(Shows("ktm_status", 2)) << agent.Log();
  bool all_on = true;
  for (const char* family : {"read", "write", "cache", "policy", "memory",
                             "faults", "block", "sched", "death"}) {
    all_on &=
        Shown("ktm_programs_on", {{"family", family}}) == 1 &&
        proxy_.Get("/metrics")
                .body.find(StrCat(
                    "ktm_program_off_info{container_name=\"db\",family=\"",
                    family)) == std::string::npos;
  }
  const Output doctor = RunToEnd({ProgramPath("fodc-agent"), "doctor"});
  EXPECT_EQ(doctor.exit_code, all_on ? 0 : 1) << doctor.out;
  EXPECT_EQ(RunToEnd({ProgramPath("fodc-agent"), "doctor", "--json"}).exit_code,
            doctor.exit_code);
  EXPECT_EQ(
      RunToEnd({ProgramPath("fodc-agent"), "doctor", "--rubbish"}).exit_code,
      3);
  const Output refused =
      RunToEnd({FindProgram("setpriv"), "--reuid=65534", "--regid=65534",
                "--clear-groups", "--inh-caps=-all", ProgramPath("fodc-agent"),
                "doctor"});
  EXPECT_EQ(refused.exit_code, 2) << refused.out;
  EXPECT_THAT(refused.out, testing::HasSubstr("CAP_BPF"));
}

}  // namespace
}  // namespace fodc::test
