// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/group.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

std::vector<CgroupMount> Mounts() {
  const auto text = ReadFile("/proc/self/mountinfo");
  FODC_CHECK(text.ok());
  return ParseCgroupMounts(*text);
}

void WriteTo(const std::string& path, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok());
  FODC_CHECK(WriteAll(fd.get(), text, path).ok());
}

}  // namespace

std::string Cgroup2Root() {
  for (const CgroupMount& m : Mounts()) {
    if (m.is_v2) return m.mount;
  }
  return {};
}

std::string Cgroup1Root(const std::string& controller) {
  for (const CgroupMount& m : Mounts()) {
    if (!m.is_v2 && std::find(m.controllers.begin(), m.controllers.end(),
                              controller) != m.controllers.end()) {
      return m.mount;
    }
  }
  return {};
}

Group::Group(const std::string& name, const std::string& parent)
    : path_(StrCat(parent.empty() ? Cgroup2Root() : parent, "/", name)) {
  Remove();  // what a killed run left
  Make();
}

void Group::Make() const { FODC_CHECK(::mkdir(path_.c_str(), 0755) == 0); }

std::uint64_t Group::id() const {
  struct stat s {};
  FODC_CHECK(::stat(path_.c_str(), &s) == 0);
  return s.st_ino;
}

void Group::Add(pid_t pid) const { Write("cgroup.procs", std::to_string(pid)); }

void Group::AddToRoot(pid_t pid) {
  WriteTo(Cgroup2Root() + "/cgroup.procs", std::to_string(pid));
}

void Group::Write(const std::string& file, const std::string& text) const {
  WriteTo(StrCat(path_, "/", file), text);
}

void Group::Remove() {
  const auto gone = [this] {
    const auto names = ListDirectory(path_);
    if (!names.ok()) return true;
    for (const std::string& name : *names) {
      (void)::rmdir(StrCat(path_, "/", name).c_str());
    }
    const auto text = ReadFile(path_ + "/cgroup.procs");
    if (text.ok()) {
      for (const std::string_view line : Split(*text, '\n')) {
        const auto pid = ParseUint(line);
        if (pid) (void)::kill(static_cast<pid_t>(*pid), SIGKILL);
      }
    }
    return ::rmdir(path_.c_str()) == 0 || errno == ENOENT;
  };
  (void)WaitUntil(gone, 10s, 2ms);
}

struct Worker::Shared {
  std::atomic<int> asked;
  std::atomic<int> done;
};

Worker::Worker(const std::vector<const Group*>& groups,
               const std::function<void()>& work, const char* name) {
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FODC_CHECK(at != MAP_FAILED);
  shared_ = new (at) Shared{};
  pid_ = ::fork();
  FODC_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)::prctl(PR_SET_NAME, name);
    for (const Group* group : groups) group->Add(::getpid());
    shared_->done = 0;
    shared_->asked.fetch_add(1);
    for (int round = 2;; ++round) {
      while (shared_->asked.load() < round) ::usleep(200);
      work();
      shared_->done.fetch_add(1);
    }
  }
  FODC_CHECK(
      WaitUntil([this] { return shared_->asked.load() == 1; }, 20s, 1ms));
}

Worker::~Worker() {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  (void)::munmap(shared_, sizeof(Shared));
}

void Worker::Go() {
  ++rounds_;
  shared_->asked.fetch_add(1);
}

void Worker::AwaitDone() {
  FODC_CHECK(
      WaitUntil([this] { return shared_->done.load() >= rounds_; }, 60s, 1ms));
}

int Worker::AwaitExit() {
  int status = -1;
  FODC_CHECK(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return status;
}

void Worker::Kill(int signal) const { (void)::kill(pid_, signal); }

}  // namespace fodc::test
