// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "fodc/base/file.h"
#include "fodc/base/status.h"
#include "fodc/base/strings.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace fodc::test {
namespace {

std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

int OpenForChild(const std::string& path, int flags) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  FODC_CHECK(fd >= 0);
  return fd;
}

int Poll(int fd, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd p{fd, POLLIN, 0};
    const int n =
        ::poll(&p, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (n >= 0 || errno != EINTR) return n;
  }
}

}  // namespace

Process::Process(Process&& other) noexcept
    : options_(std::move(other.options_)),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    options_ = std::move(other.options_);
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    status_ = std::exchange(other.status_, std::nullopt);
  }
  return *this;
}

// fork and exec rather than posix_spawn, which cannot ask for the signal at
// the parent's death; between the two only system calls are made.
Process Process::Start(ProcessOptions options) {
  FODC_CHECK(!options.argv.empty());
  Process p;
  std::string program = options.argv[0];
  if (program.find('/') == std::string::npos) {
    const std::string found = FindProgram(program);
    if (!found.empty()) program = found;
  }
  std::vector<char*> argv;
  for (std::string& a : options.argv) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::vector<std::string> env_text;
  for (char** e = environ; *e != nullptr; ++e) {
    bool replaced = false;
    for (const auto& [key, value] : options.env) {
      replaced |= std::string_view(*e).starts_with(key + "=");
    }
    if (!replaced) env_text.emplace_back(*e);
  }
  for (const auto& [key, value] : options.env) {
    env_text.push_back(StrCat(key, "=", value));
  }
  std::vector<char*> env;
  env.reserve(env_text.size() + 1);
  for (std::string& e : env_text) env.push_back(e.data());
  env.push_back(nullptr);

  const UniqueFd log(OpenForChild(
      options.log_path.empty() ? "/dev/null" : options.log_path, O_APPEND));
  UniqueFd out;
  if (!options.stdout_path.empty()) {
    out.reset(OpenForChild(options.stdout_path, O_TRUNC));
  }
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  FODC_CHECK(pid >= 0);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    ::dup2(null.get(), 0);
    ::dup2(out.ok() ? out.get() : log.get(), 1);
    ::dup2(log.get(), 2);
    ::execve(program.c_str(), argv.data(), env.data());
    constexpr std::string_view kMessage = "cannot execute the program: ";
    (void)!::write(2, kMessage.data(), kMessage.size());
    (void)!::write(2, program.data(), program.size());
    (void)!::write(2, "\n", 1);
    ::_exit(127);
  }
  ::setpgid(pid, pid);  // both sides do it: whoever comes first
  p.options_ = std::move(options);
  p.pid_ = pid;
  p.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  FODC_CHECK(p.pidfd_.ok());
  return p;
}

bool Process::Running() {
  return pid_ > 0 && !Wait(std::chrono::milliseconds(0)).has_value();
}

std::optional<int> Process::Wait(std::chrono::milliseconds limit) {
  if (status_.has_value() || pid_ < 0) return status_;
  if (Poll(pidfd_.get(), limit) <= 0) return std::nullopt;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = status;
  return status_;
}

std::optional<int> Process::WaitExitCode(std::chrono::milliseconds limit) {
  const std::optional<int> status = Wait(limit);
  if (!status.has_value()) return std::nullopt;
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

void Process::Signal(int number) {
  if (pid_ > 0 && !status_.has_value()) {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  }
}

void Process::Kill() {
  if (pid_ <= 0) return;
  // What it started in its group goes too. While the leader is not reaped its
  // number cannot be anybody else's.
  if (!status_.has_value()) {
    ::kill(-pid_, SIGKILL);
    Signal(SIGKILL);
    (void)Wait(std::chrono::seconds(10));
  }
}

int Process::Stop(std::chrono::milliseconds limit) {
  Signal(SIGTERM);
  const std::optional<int> code = WaitExitCode(limit);
  if (!code.has_value()) Kill();
  return WaitExitCode(std::chrono::seconds(1)).value_or(-1);
}

std::string Process::Log() const { return Slurp(options_.log_path); }

Output RunToEnd(std::vector<std::string> argv, std::chrono::milliseconds limit,
                std::vector<std::pair<std::string, std::string>> env) {
  const TempDirectory dir("fodc-run");
  Process p = Process::Start({.name = argv[0],
                              .argv = argv,
                              .env = std::move(env),
                              .log_path = dir.File("err"),
                              .stdout_path = dir.File("out")});
  Output output;
  output.exit_code = p.WaitExitCode(limit).value_or(-1);
  p.Kill();
  output.out = Slurp(dir.File("out"));
  output.err = Slurp(dir.File("err"));
  return output;
}

std::uint16_t FreePort() {
  static std::set<std::uint16_t> given;
  static unsigned next = static_cast<unsigned>(::getpid()) * 37U;
  constexpr unsigned kFirst = 18'000;
  constexpr unsigned kCount = 14'000;  // up to 31999: below the ephemeral ones
  for (unsigned tries = 0; tries < kCount; ++tries) {
    const auto port = static_cast<std::uint16_t>(kFirst + next++ % kCount);
    if (given.contains(port)) continue;
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
               sizeof address) == 0) {
      given.insert(port);
      return port;
    }
  }
  std::abort();
}

std::string FindProgram(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv
  const char* path = std::getenv("PATH");
  const std::string dirs =
      std::string(path == nullptr ? "" : path) + ":/usr/bin:/usr/sbin:/sbin";
  for (const std::string_view dir : Split(dirs, ':')) {
    std::string candidate = StrCat(dir, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace fodc::test
