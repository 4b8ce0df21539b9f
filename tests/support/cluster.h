// SPDX-License-Identifier: Apache-2.0
// Real agents, proxies and databases for the end-to-end tests, on free ports
// of 127.0.0.1 and in a directory of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "tests/support/http.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::test {

// A server of ours or a database: how to start it, and where it listens. Keeps
// its ports and its log file over restarts.
class Server {
 public:
  Server(std::string name, std::vector<std::string> argv, std::string dir,
         std::uint16_t http_port, std::string ready_path);

  // From the next start on these words stand before its command line.
  void PutBefore(const std::vector<std::string>& words);
  // Likewise it is in the cgroup of that directory.
  void PutInto(const std::string& cgroup);
  // Starts it and waits until `ready_path` answers 200. Adds a test failure
  // with the end of its log if it does not.
  bool Start(std::chrono::milliseconds limit = std::chrono::seconds(20));
  // Starts it without waiting.
  void Launch();
  bool WaitReady(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void Kill() { process_.Kill(); }
  int Stop(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    return process_.Stop(limit);
  }

  Process& process() { return process_; }
  const std::string& name() const { return name_; }
  std::uint16_t port() const { return http_port_; }
  std::string Url(const std::string& path) const;
  HttpAnswer Get(const std::string& path, bool gzip = false) const;
  // The samples of `path`, which must be a text page.
  std::vector<TextSample> Page(const std::string& path = "/metrics") const;
  std::string Log() const { return process_.Log(); }

 private:
  std::string name_;
  std::vector<std::string> argv_;
  std::string dir_;
  std::uint16_t http_port_;
  std::string ready_path_;
  Process process_;
};

class FodcProxy : public Server {
 public:
  // `dir` must outlive it.
  explicit FodcProxy(const TempDirectory& dir,
                     std::vector<std::string> flags = {},
                     const std::string& name = "fodc-proxy");
  std::uint16_t grpc_port() const { return grpc_port_; }

 private:
  FodcProxy(const TempDirectory& dir, std::vector<std::string> flags,
            const std::string& name, std::uint16_t http, std::uint16_t grpc);
  std::uint16_t grpc_port_;
};

struct AgentOptions {
  std::string pod = {};
  std::vector<std::uint16_t> endpoint_ports = {};
  std::vector<std::string> containers = {};     // none, or as many as ports
  std::vector<std::uint16_t> proxy_ports = {};  // gRPC
  std::string interval = "250ms";
  std::string role = "ROLE_DATA";
  std::string labels = {};
  // Under the test's directory; empty: no spill.
  std::string recorder_dir = {};
  std::vector<std::string> flags = {};
};

class FodcAgent : public Server {
 public:
  FodcAgent(const TempDirectory& dir, const AgentOptions& options);
  const std::string& recorder_dir() const { return recorder_dir_; }

 private:
  FodcAgent(const TempDirectory& dir, const AgentOptions& options,
            std::uint16_t http);
  std::string recorder_dir_;
};

// Real databases, from Debian packages. Each serves /metrics.
Server MakeEtcd(const TempDirectory& dir, std::vector<std::string> flags = {});
Server MakeNodeExporter(const TempDirectory& dir);
Server MakeVictoriaMetrics(const TempDirectory& dir);
// `config`: the text of prometheus.yml.
Server MakePrometheus(const TempDirectory& dir, const std::string& config);

// "2026-11-21T07:31:13.857Z", as the API takes times.
std::string TimeText(std::int64_t unix_ms);
std::int64_t NowUnixMs();

// Runs fodcctl.
Output Fodcctl(std::vector<std::string> arguments);

}  // namespace fodc::test
