// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/snapshot_source.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace fodc::backup {
namespace {

constexpr std::string_view kSchemaPrefix = "schema-property/";
constexpr std::size_t kMaxOutputBytes = 64u << 10;
constexpr int kLookMs = 100;

Status CheckName(std::string_view name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find('/') != name.npos || name.find('\0') != name.npos) {
    return InvalidArgument(
        StrCat("the node calls a snapshot \"", ToValidUtf8(name), "\""));
  }
  return OkStatus();
}

// A child in a process group of its own, which is killed with it.
class Child {
 public:
  ~Child() { (void)Kill(); }
  Status Start(const std::string& command) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
    out.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    sigset_t none;
    sigemptyset(&none);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    const char* const arguments[] = {"sh", "-c", command.c_str(), nullptr};
    const int error =
        ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes,
                      const_cast<char* const*>(arguments), environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    if (error != 0) pid_ = -1;
    return error == 0 ? OkStatus() : ErrnoStatus(error, "start /bin/sh");
  }
  // Its status as of waitpid(2); -1: there is none.
  int Wait() {
    int status = -1;
    if (pid_ > 0 && ::waitpid(std::exchange(pid_, -1), &status, 0) < 0)
      status = -1;
    return status;
  }
  int Kill() {
    if (pid_ > 0) (void)::kill(-pid_, SIGKILL);
    return Wait();
  }

  UniqueFd out;

 private:
  pid_t pid_ = -1;
};

}  // namespace

std::string CatalogRoots::Of(std::string_view catalog) const {
  if (catalog == "stream") return stream;
  if (catalog == "measure") return measure;
  if (catalog == "property") return property;
  if (catalog == "trace") return trace;
  if (catalog == "schema-property") return schema;
  return {};
}

Result<Snapshot> PlaceSnapshot(std::string_view kind, std::string_view name,
                               const CatalogRoots& roots) {
  Snapshot snapshot{.catalog = std::string(kind), .name = std::string(name)};
  const bool is_schema =
      kind == "property" && ConsumePrefix(&name, kSchemaPrefix);
  if (is_schema) snapshot.catalog = "schema-property";
  FODC_RETURN_IF_ERROR(CheckName(name));
  const std::string root = roots.Of(snapshot.catalog);
  if (root.empty())
    return InvalidArgument(StrCat("there is no catalog ", kind));
  // Of both kinds of properties the groups lie one directory further down.
  snapshot.directory = StrCat(root, "/", snapshot.catalog, "/snapshots/", name,
                              kind == "property" ? "/data" : "");
  return snapshot;
}

Result<std::string> AskCommand(const std::string& command,
                               std::chrono::nanoseconds timeout,
                               const std::stop_token& stop) {
  Child child;
  FODC_RETURN_IF_ERROR(child.Start(command));
  const MonotonicTime until = SystemClock().Monotonic() + timeout;
  std::string output;
  for (;;) {
    if (stop.stop_requested()) return Cancelled("stopped");
    if (SystemClock().Monotonic() >= until) {
      return DeadlineExceeded(StrCat("--snapshot-command did not end within ",
                                     FormatGoDuration(timeout)));
    }
    pollfd waits{.fd = child.out.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waits, 1, kLookMs) <= 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(child.out.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    output.append(buffer, static_cast<std::size_t>(n));
    if (output.size() > kMaxOutputBytes) {
      return FailedPrecondition(StrCat("--snapshot-command prints more than ",
                                       kMaxOutputBytes, " bytes"));
    }
  }
  const int status = child.Wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return FailedPrecondition(
        WIFSIGNALED(status)
            ? StrCat("--snapshot-command ended by signal ", WTERMSIG(status))
            : StrCat("--snapshot-command ended with status ",
                     WEXITSTATUS(status)));
  }
  std::string directory;
  for (const std::string_view line : Split(output, '\n')) {
    if (!Trim(line).empty()) directory = Trim(line);
  }
  struct stat s {};
  if (directory.empty() || ::stat(directory.c_str(), &s) != 0 ||
      !S_ISDIR(s.st_mode)) {
    return FailedPrecondition(
        StrCat("--snapshot-command names no directory: \"",
               ToValidUtf8(directory), "\""));
  }
  return directory;
}

}  // namespace fodc::backup
