// SPDX-License-Identifier: Apache-2.0
#include "bench/backup/runs.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <stop_token>
#include <thread>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Die(const std::string& why) {
  (void)std::fprintf(stderr, "bench_backup: %s\n", why.c_str());
  std::exit(2);
}

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.good()) Die("cannot write " + path);
}

[[noreturn]] void Exec(const std::vector<std::string>& argv,
                       const Environment& env, const std::string& out,
                       const std::string& cgroup) {
  const int fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::dup2(fd, STDOUT_FILENO) < 0) ::_exit(126);
  if (!cgroup.empty()) {
    std::ofstream procs(cgroup + "/cgroup.procs");
    procs << ::getpid() << std::flush;
    if (!procs.good()) ::_exit(126);
  }
  for (const auto& [name, value] : env)
    (void)::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> words;
  for (const std::string& word : argv)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  ::_exit(127);
}

// Reads what a process has had of memory as long as it lives: what wait4 tells
// begins with the memory of who forked it.
class PeakRss {
 public:
  explicit PeakRss(pid_t pid)
      : reader_([this, file = StrCat("/proc/", pid, "/status")](
                    const std::stop_token& stop) {
          while (WaitUnlessStopped(std::chrono::milliseconds(10), stop))
            Read(file);
        }) {}
  // Of a process that has ended.
  double Mib() {
    reader_ = {};
    return static_cast<double>(kib_) / 1024;
  }

 private:
  // The newest: until it is executed it is the fork's.
  void Read(const std::string& file) {
    const std::string text = ReadFile(file).value_or("");
    const std::size_t at = text.find("VmHWM:");
    if (at == text.npos) return;
    const std::size_t end = text.find(" kB", at);
    kib_ = ParseUint(Trim(text.substr(at + 6, end - at - 6))).value_or(kib_);
  }

  std::uint64_t kib_ = 0;
  std::jthread reader_;  // last: it uses the other
};

}  // namespace

Measured Run(const std::vector<std::string>& argv, const Environment& env,
             const std::string& cgroup) {
  const TempDirectory dir;
  const std::string out = dir.File("out");
  const MonotonicTime began = SystemClock().Monotonic();
  const pid_t pid = ::fork();
  if (pid < 0) Die("fork");
  if (pid == 0) Exec(argv, env, out, cgroup);
  PeakRss peak(pid);
  int status = 0;
  rusage used{};
  while (::wait4(pid, &status, 0, &used) < 0) {
    if (errno != EINTR) Die("wait4");
  }
  Measured m;
  m.seconds =
      std::chrono::duration<double>(SystemClock().Monotonic() - began).count();
  m.exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  m.cpu_seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  m.rss_mib = peak.Mib();
  m.out = ReadFile(out, 64u << 20).value_or("");
  if (m.exit_code == 126 || m.exit_code == 127)
    Die("cannot run " + argv.front());
  return m;
}

Measured MustRun(const std::vector<std::string>& argv, const Environment& env,
                 const std::string& cgroup) {
  Measured m = Run(argv, env, cgroup);
  if (m.exit_code != 0) {
    std::string line;
    for (const std::string& word : argv) line += word + " ";
    Die(StrCat(line, "ended with ", m.exit_code, ": ", m.out));
  }
  return m;
}

ObjectServer::ObjectServer(std::vector<std::string> flags) {
  std::vector<std::string> argv = {test::ProgramPath("object-server"),
                                   "--kind=s3"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  char name[] = "/tmp/fodc-object-server-XXXXXX";
  const UniqueFd fd(::mkstemp(name));
  process_ = test::Process::Start({.name = "object-server",
                                   .argv = std::move(argv),
                                   .env = {},
                                   .log_path = "/dev/null",
                                   .stdout_path = name});
  constexpr std::string_view kBefore = "listening on 127.0.0.1:";
  const bool is_there = test::WaitUntil([&] {
    const std::string text = ReadFile(name).value_or("");
    if (!text.starts_with(kBefore) || !text.ends_with("\n")) return false;
    port_ = static_cast<std::uint16_t>(
        ParseUint(Trim(std::string_view(text).substr(kBefore.size())))
            .value_or(0));
    return true;
  });
  (void)::unlink(name);
  if (!is_there) Die("the object server does not listen");
}

std::string ObjectServer::endpoint() const {
  return StrCat("http://127.0.0.1:", port_);
}
std::string ObjectServer::Url(const std::string& base) const {
  return StrCat("s3://bucket/", base, "?endpoint=", endpoint());
}
Environment ObjectServer::Credentials() {
  return {{"AWS_ACCESS_KEY_ID", "AKIDFODC"},
          {"AWS_SECRET_ACCESS_KEY", "secretfodc"}};
}

std::map<std::string, std::uint64_t> ObjectServer::Requests() const {
  const auto answer = test::Get(endpoint() + "/__control/log");
  if (answer.status != 200) Die("the object server's log: " + answer.error);
  const auto log = nlohmann::json::parse(answer.body);
  std::map<std::string, std::uint64_t> requests;
  for (const auto& [operation, statuses] : log["counts"].items()) {
    for (const auto& [status, count] : statuses.items())
      requests[operation] += count.get<std::uint64_t>();
  }
  return requests;
}

void ObjectServer::Reset() {
  const auto answer =
      test::Request("POST", endpoint() + "/__control/reset", "{}");
  if (answer.status >= 300 || answer.status == 0)
    Die(StrCat("the object server's reset: ", answer.status));
}

Scratch::Scratch() {
  path_ = test::ProgramPath("bench-scratch-XXXXXX");
  if (::mkdtemp(path_.data()) == nullptr) Die("cannot make " + path_);
}
Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void MakeSmallTree(const std::string& root, std::size_t files,
                   std::size_t least, std::size_t most) {
  std::mt19937_64 random(7);  // NOLINT(cert-msc51-cpp): always the same
  std::string bytes(most, '\0');
  std::string directory;
  for (std::size_t i = 0; i < files; ++i) {
    if (i % 100 == 0) {
      directory = StrCat(root, "/group-", i / 2000, "/part-", i / 100);
      fs::create_directories(directory);
    }
    const std::size_t size = least + random() % (most - least + 1);
    for (std::size_t at = 0; at < size; at += 8) {
      const std::uint64_t word = random();
      bytes.replace(at, std::min<std::size_t>(8, size - at),
                    reinterpret_cast<const char*>(&word),
                    std::min<std::size_t>(8, size - at));
    }
    WriteFile(StrCat(directory, "/f", i), {bytes.data(), size});
  }
}

void MakeLinkedTree(const std::string& root, std::size_t files,
                    std::size_t bytes) {
  // What the server's generated objects hold.
  std::string text;
  while (text.size() < bytes) text += "generated object\n";
  text.resize(bytes);
  constexpr std::size_t kLinks = 60'000;  // ext4 has 65,000
  const std::size_t per_shard = (files + 255) / 256;
  std::string source;
  for (std::size_t i = 0; i < files; ++i) {
    char name[48];
    (void)std::snprintf(name, sizeof name, "/%02zx/%08zu", i / per_shard, i);
    const std::string path = root + name;
    if (i % per_shard == 0)
      fs::create_directories(path.substr(0, path.rfind('/')));
    if (i % kLinks == 0) {
      WriteFile(path, text);
      source = path;
    } else if (::link(source.c_str(), path.c_str()) != 0) {
      Die("link " + path);
    }
  }
}

void MakeLargeFile(const std::string& path, std::uint64_t bytes) {
  std::mt19937_64 random(11);  // NOLINT(cert-msc51-cpp): always the same
  std::vector<std::uint64_t> words((4u << 20) / 8);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (std::uint64_t done = 0; done < bytes; done += 4u << 20) {
    for (std::uint64_t& word : words) word = random();
    file.write(reinterpret_cast<const char*>(words.data()), 4 << 20);
  }
  file.close();
  if (!file.good()) Die("cannot write " + path);
}

}  // namespace fodc::bench
