// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cluster.h"

#include <gtest/gtest.h>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

std::string Loopback(std::uint16_t port) { return StrCat("127.0.0.1:", port); }

std::string Tail(const std::string& text, std::size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

std::vector<std::string> AgentArgv(const TempDirectory& dir,
                                   const AgentOptions& o, std::uint16_t http) {
  std::vector<std::string> argv{ProgramPath("fodc-agent")};
  argv.push_back("--pod-name=" + o.pod);
  std::string proxies;
  for (const std::uint16_t p : o.proxy_ports) {
    proxies += (proxies.empty() ? "" : ",") + Loopback(p);
  }
  argv.push_back("--proxy-addr=" + proxies);
  std::string ports;
  for (const std::uint16_t p : o.endpoint_ports) {
    ports += (ports.empty() ? "" : ",") + std::to_string(p);
  }
  argv.push_back("--poll-metrics-ports=" + ports);
  std::string containers;
  for (const std::string& c : o.containers) {
    containers += (containers.empty() ? "" : ",") + c;
  }
  if (!containers.empty()) argv.push_back("--container-names=" + containers);
  argv.push_back("--poll-metrics-interval=" + o.interval);
  argv.push_back("--node-role=" + o.role);
  if (!o.labels.empty()) argv.push_back("--node-labels=" + o.labels);
  argv.push_back("--prometheus-listen-addr=" + Loopback(http));
  argv.push_back("--diagnosis-listen-addr=" + Loopback(http));
  argv.push_back("--reconnect-interval=500ms");
  // Not the one that all agents of the machine share.
  argv.push_back("--pressure-profiler-dir=" + dir.File("events-" + o.pod));
  if (!o.recorder_dir.empty()) {
    argv.push_back("--recorder-dir=" + dir.File(o.recorder_dir));
    argv.push_back("--recorder-spill-interval=500ms");
  }
  argv.insert(argv.end(), o.flags.begin(), o.flags.end());
  return argv;
}

std::vector<std::string> ProxyArgv(std::vector<std::string> flags,
                                   std::uint16_t http, std::uint16_t grpc) {
  std::vector<std::string> argv{ProgramPath("fodc-proxy"),
                                "--grpc-listen-addr=" + Loopback(grpc),
                                "--http-listen-addr=" + Loopback(http)};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

}  // namespace

Server::Server(std::string name, std::vector<std::string> argv, std::string dir,
               std::uint16_t http_port, std::string ready_path)
    : name_(std::move(name)),
      argv_(std::move(argv)),
      dir_(std::move(dir)),
      http_port_(http_port),
      ready_path_(std::move(ready_path)) {}

void Server::PutBefore(const std::vector<std::string>& words) {
  argv_.insert(argv_.begin(), words.begin(), words.end());
}

void Server::PutInto(const std::string& cgroup) {
  // Whoever reads a file first is charged for its pages. If the program's own
  // are the group's, the kernel takes them at the limit, over and over, and the
  // server stands still for minutes instead of being killed.
  PutBefore({"sh", "-c",
             "cat \"$(command -v \"$1\")\" >/dev/null; "
             "echo $$ >\"$0/cgroup.procs\"; exec \"$@\"",
             cgroup});
}

void Server::Launch() {
  process_ = Process::Start({.name = name_,
                             .argv = argv_,
                             .env = {},
                             .log_path = StrCat(dir_, "/", name_, ".log"),
                             .stdout_path = ""});
}

bool Server::WaitReady(std::chrono::milliseconds limit) {
  return WaitUntil(
             [this] {
               return !process_.Running() ||
                      fodc::test::Get(Url(ready_path_), 2s).status == 200;
             },
             limit) &&
         process_.Running();
}

bool Server::Start(std::chrono::milliseconds limit) {
  Launch();
  if (WaitReady(limit)) return true;
  ADD_FAILURE() << name_ << " does not answer at " << Url(ready_path_)
                << (process_.Running() ? "" : " (it has ended)")
                << "; the end of its log:\n"
                << Tail(Log(), 2000);
  return false;
}

std::string Server::Url(const std::string& path) const {
  return StrCat("http://127.0.0.1:", http_port_, path);
}

HttpAnswer Server::Get(const std::string& path, bool gzip) const {
  return fodc::test::Get(Url(path), 10s, {}, gzip);
}

std::vector<TextSample> Server::Page(const std::string& path) const {
  return ReadPage(Get(path).body);
}

FodcProxy::FodcProxy(const TempDirectory& dir, std::vector<std::string> flags,
                     const std::string& name)
    : FodcProxy(dir, std::move(flags), name, FreePort(), FreePort()) {}

FodcProxy::FodcProxy(const TempDirectory& dir, std::vector<std::string> flags,
                     const std::string& name, std::uint16_t http,
                     std::uint16_t grpc)
    : Server(name, ProxyArgv(std::move(flags), http, grpc), dir.path(), http,
             "/healthz"),
      grpc_port_(grpc) {}

FodcAgent::FodcAgent(const TempDirectory& dir, const AgentOptions& options)
    : FodcAgent(dir, options, FreePort()) {}

FodcAgent::FodcAgent(const TempDirectory& dir, const AgentOptions& options,
                     std::uint16_t http)
    : Server("agent-" + options.pod, AgentArgv(dir, options, http), dir.path(),
             http, "/healthz"),
      recorder_dir_(
          options.recorder_dir.empty() ? "" : dir.File(options.recorder_dir)) {}

Server MakeEtcd(const TempDirectory& dir, std::vector<std::string> flags) {
  const std::uint16_t client = FreePort();
  const std::string peer = "http://" + Loopback(FreePort());
  const std::string url = "http://" + Loopback(client);
  flags.insert(flags.begin(),
               {"etcd", "--name", "test", "--data-dir", dir.File("etcd-data"),
                "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls",
                peer, "--initial-cluster", "test=" + peer});
  return {"etcd", std::move(flags), dir.path(), client, "/health"};
}

Server MakeNodeExporter(const TempDirectory& dir) {
  const std::uint16_t port = FreePort();
  return {
      "node_exporter",
      {"prometheus-node-exporter", "--web.listen-address=" + Loopback(port)},
      dir.path(),
      port,
      "/"};
}

Server MakeVictoriaMetrics(const TempDirectory& dir) {
  const std::uint16_t port = FreePort();
  return {"victoria-metrics",
          {"victoria-metrics", "-storageDataPath=" + dir.File("vm-data"),
           "-httpListenAddr=" + Loopback(port), "-memory.allowedBytes=64MB"},
          dir.path(),
          port,
          "/health"};
}

Server MakePrometheus(const TempDirectory& dir, const std::string& config) {
  const std::uint16_t port = FreePort();
  EXPECT_TRUE(WriteFileAtomically(dir.File("prometheus.yml"), config).ok());
  return {"prometheus",
          {"prometheus", "--config.file=" + dir.File("prometheus.yml"),
           "--storage.tsdb.path=" + dir.File("prometheus-data"),
           "--web.listen-address=" + Loopback(port)},
          dir.path(),
          port,
          "/-/ready"};
}

std::string TimeText(std::int64_t unix_ms) {
  return FormatRfc3339(FromUnixMillis(unix_ms), 3);
}

std::int64_t NowUnixMs() { return ToUnixMillis(SystemClock().Unix()); }

Output Fodcctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ProgramPath("fodcctl"));
  return RunToEnd(std::move(arguments), 60s);
}

}  // namespace fodc::test
