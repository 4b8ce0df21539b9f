// SPDX-License-Identifier: Apache-2.0
// hotnode: a node with a hot set of data and a memory limit, for scenarios of
// kernel telemetry. Two processes: the node, in cgroups of its own, and one
// outside of them that made the cgroups and removes them.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/program/flags.h"
#include "fodc/program/version.h"
#include "tests/kernel/group.h"
#include "tests/kernel/hotnode/node.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::hotnode {
namespace {

struct Options {
  NodeOptions node;
  std::string directory;
  std::string group = "fodc_hotnode";
  std::uint64_t memory_limit_bytes = 96 << 20;
  std::int64_t port = 0;
};

void AddFlags(program::Flags* flags, Options* o) {
  flags->Int("port", &o->port, "port of 127.0.0.1 for /metrics and /disturb/X")
      .AtLeast(1)
      .AtMost(65535);
  flags->String("dir", &o->directory, "where its data files are made or found")
      .NotEmpty();
  flags->String("group", &o->group, "name of its cgroups").NotEmpty();
  flags->Bytes("memory-limit", &o->memory_limit_bytes, "of its cgroup")
      .AtLeast(8 << 20);
  flags->Bytes("hot-bytes", &o->node.files.hot_bytes, "size of the hot set")
      .AtLeast(1 << 20);
  flags
      ->Bytes("wide-bytes", &o->node.files.wide_bytes,
              "size of the data that is read seldom")
      .AtLeast(8 << 20)
      .AtMost(std::uint64_t{8} << 30);
  flags->Float("hot-reads", &o->node.hot_reads_per_second,
               "random reads of hot pages a second");
  flags->Float("block-reads", &o->node.block_reads_per_second,
               "reads of blocks a second, cold ones when disturbed");
  flags
      ->Bytes("scan-rate", &o->node.scan_bytes_per_second,
              "bytes a second that a scan reads")
      .AtLeast(1 << 20);
  flags->Bytes("pressure-bytes", &o->node.pressure_bytes,
               "how much its own memory grows");
}

int Fail(const Status& status) {
  (void)std::fputs(StrCat("hotnode: ", status.message(), "\n").c_str(), stderr);
  return 1;
}

// Its group in the cgroup2 tree, and where the memory controller is a
// hierarchy of its own, the one there: that with the limit comes last.
class Groups {
 public:
  Groups(const std::string& name, std::uint64_t limit_bytes) : v2_(name) {
    const std::string v1 = test::Cgroup1Root("memory");
    if (!v1.empty()) {
      memory_ = std::make_unique<test::Group>(name, v1);
      memory_->Write("memory.limit_in_bytes", std::to_string(limit_bytes));
    } else {
      v2_.Write("memory.max", std::to_string(limit_bytes));
    }
  }
  void Join() const {
    v2_.Add(::getpid());
    if (memory_) memory_->Add(::getpid());
  }

 private:
  test::Group v2_;
  std::unique_ptr<test::Group> memory_;
};

Status CheckIsPossible() {
  if (::geteuid() != 0) return FailedPrecondition("needs root to make cgroups");
  const std::string root = test::Cgroup2Root();
  if (root.empty()) return FailedPrecondition("no cgroup2 is mounted");
  if (!test::Cgroup1Root("memory").empty()) return {};
  const auto enabled = ReadFile(root + "/cgroup.subtree_control");
  if (enabled.ok() && enabled->find("memory") != std::string::npos) return {};
  return FailedPrecondition(
      "neither cgroup v1 nor the top of cgroup2 has the memory controller");
}

void Answer(std::string_view request, test::Exchange& exchange, Node& node) {
  const std::size_t end = request.find(" HTTP/");
  std::string_view line = request.substr(0, end);
  if (line == "GET /metrics") {
    exchange.Answer(200, node.Page());
    return;
  }
  if (ConsumePrefix(&line, "POST /disturb/")) {
    if (const auto disturbance = ParseDisturbance(line)) {
      node.Disturb(*disturbance);
      exchange.Answer(200, "");
      return;
    }
  }
  exchange.Answer(404,
                  "GET /metrics, POST /disturb/"
                  "{calm,eviction,pressure,scan,cold,misses}\n");
}

int RunNode(const Options& options, const Groups& groups) {
  groups.Join();
  auto node = Node::Start(options.node);
  if (!node.ok()) return Fail(node.status());
  const test::FakeEndpoint endpoint(
      [&node](std::string_view request, test::Exchange& exchange) {
        Answer(request, exchange, **node);
      },
      static_cast<std::uint16_t>(options.port));
  for (;;) ::pause();  // until the other one kills it
}

// The signals are blocked: they are waited for.
int Watch(pid_t node, const sigset_t& signals) {
  for (;;) {
    int number = 0;
    (void)::sigwait(&signals, &number);
    int status = 0;
    if (number != SIGCHLD) {
      (void)::kill(node, SIGKILL);
      (void)::waitpid(node, &status, 0);
      return 0;
    }
    if (::waitpid(node, &status, WNOHANG) != node) continue;
    return Fail(Unavailable(
        WIFSIGNALED(status)
            ? StrCat("the node was killed by signal ", WTERMSIG(status))
            : StrCat("the node ended with ", WEXITSTATUS(status))));
  }
}

int Run(int argc, char** argv) {
  Options options;
  options.node.files.hot_bytes = 64 << 20;
  options.node.files.wide_bytes = 1 << 30;
  program::Flags flags("hotnode",
                       "A node with a hot set of data under a memory limit, "
                       "which can be disturbed: POST /disturb/"
                       "{calm,eviction,pressure,scan,cold,misses}.",
                       program::Version(), "HOTNODE_");
  AddFlags(&flags, &options);
  const program::ParseOutcome outcome = flags.Parse(argc, argv);
  (void)std::fputs(outcome.out.c_str(), stdout);
  (void)std::fputs(outcome.error.c_str(), stderr);
  if (!outcome.run) return outcome.exit_code;

  options.node.files.hot_path = options.directory + "/hot";
  options.node.files.wide_path = options.directory + "/wide";
  if (auto s = CheckIsPossible(); !s.ok()) return Fail(s);
  // Outside of the cgroups: what is written is not charged to the node.
  if (auto s = MakeDataFiles(options.node.files); !s.ok()) return Fail(s);

  sigset_t signals;
  (void)::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD})
    (void)::sigaddset(&signals, number);
  (void)::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const Groups groups(options.group, options.memory_limit_bytes);
  const pid_t parent = ::getpid();
  const pid_t node = ::fork();
  if (node < 0) return Fail(ErrnoStatus(errno, "fork"));
  if (node == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The cgroups are the other one's to remove.
    ::_exit(::getppid() == parent ? RunNode(options, groups) : 1);
  }
  return Watch(node, signals);
}

}  // namespace
}  // namespace fodc::hotnode

int main(int argc, char** argv) { return fodc::hotnode::Run(argc, argv); }
