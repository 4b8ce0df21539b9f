// SPDX-License-Identifier: Apache-2.0
// Programs that are run to their end and measured, and the server that they
// speak to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/process.h"

namespace fodc::bench {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct Measured {
  int exit_code = -1;
  double seconds = 0;
  double cpu_seconds = 0;  // of it and its children, in user space and kernel
  double rss_mib = 0;      // the most that it had
  std::string out;         // standard output; standard error is ours
};

// Waits for it; ends the benchmark if it cannot be executed. `cgroup`: a
// directory of the memory controller that it runs in; empty: ours.
Measured Run(const std::vector<std::string>& argv, const Environment& env = {},
             const std::string& cgroup = "");
// Of one that must succeed: ends the benchmark if it does not.
Measured MustRun(const std::vector<std::string>& argv,
                 const Environment& env = {}, const std::string& cgroup = "");

// The strict object server, as S3.
class ObjectServer {
 public:
  explicit ObjectServer(std::vector<std::string> flags);

  // "s3://bucket/<base>?endpoint=…".
  std::string Url(const std::string& base) const;
  std::string endpoint() const;
  static Environment Credentials();
  // Requests by operation, all statuses, since the last Reset.
  std::map<std::string, std::uint64_t> Requests() const;
  void Reset();

 private:
  test::Process process_;
  std::uint16_t port_ = 0;
};

// Where benchmarks write: beneath the build, which is on a disk, where /tmp may
// be memory. Gone with it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// `files` of random sizes from `least` to `most` bytes, a hundred a directory,
// 2,000 a group. Always the same ones.
void MakeSmallTree(const std::string& root, std::size_t files,
                   std::size_t least, std::size_t most);
// Names of few files, as the server's --generate has them: "<%02x>/<%08d>".
void MakeLinkedTree(const std::string& root, std::size_t files,
                    std::size_t bytes);
// One of random bytes.
void MakeLargeFile(const std::string& path, std::uint64_t bytes);

}  // namespace fodc::bench
