// SPDX-License-Identifier: Apache-2.0
// fodc-backup: takes snapshots of a node to object storage, and back. Called
// `backup` or `restore` it has the command lines of the Go original.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "fodc/backup/commands.h"
#include "fodc/backup/flags.h"
#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/signals.h"
#include "fodc/program/version.h"

namespace fodc::backup {
namespace {

constexpr char kHelp[] =
    "fodc-backup takes snapshots of a node to object storage, and back.\n"
    "\n"
    "  fodc-backup run              back up, once or by a schedule\n"
    "  fodc-backup restore run      restore what time-dir files ask for\n"
    "  fodc-backup restore timedir list|create [TIME]|read|delete\n"
    "                               what there is, and what to restore\n"
    "  fodc-backup verify           compare a destination with its manifests\n"
    "  fodc-backup list             show what is at a destination\n"
    "  fodc-backup prune            remove backups that no rule keeps\n"
    "\n"
    "Each has --help. Called backup or restore it is run or restore.\n";

// SIGINT and SIGTERM stop what runs; which one came is the exit code's.
class StopSignals {
 public:
  StopSignals() : thread_([this](const std::stop_token& end) { Watch(end); }) {}
  std::stop_token token() const { return stop_.get_token(); }
  // Ends the thread.
  int number() {
    thread_.request_stop();
    thread_.join();
    return number_;
  }

 private:
  void Watch(const std::stop_token& end) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
    const UniqueFd over(::eventfd(0, EFD_CLOEXEC));
    const std::stop_callback wake(
        end, [&over] { (void)::eventfd_write(over.get(), 1); });
    pollfd both[] = {{.fd = signals.get(), .events = POLLIN, .revents = 0},
                     {.fd = over.get(), .events = POLLIN, .revents = 0}};
    while (!end.stop_requested()) {
      if (::poll(both, 2, -1) <= 0 || both[0].revents == 0) continue;
      signalfd_siginfo info{};
      if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
      if (number_ == 0) number_ = static_cast<int>(info.ssi_signo);
      stop_.request_stop();
    }
  }
  std::stop_source stop_;
  int number_ = 0;
  std::jthread thread_;
};

int Exit(Outcome outcome, int signal, bool is_service) {
  // A service that is stopped has done its work.
  if (signal != 0 && !is_service) return 128 + signal;
  return static_cast<int>(outcome);
}

// Parses, and runs `command` with the log and the signals.
int Run(program::Flags* flags, const LogFlags& log_flags,
        const std::vector<std::string>& arguments,
        bool (*is_service)(const void*), const void* parsed,
        const std::function<Outcome(const std::stop_token&)>& command) {
  TakeOverEnvironment(*flags);
  const program::ParseOutcome outcome = flags->Parse(arguments);
  (void)std::fputs(outcome.out.c_str(), stdout);
  (void)std::fputs(outcome.error.c_str(), stderr);
  if (!outcome.run) return outcome.exit_code;
  program::BlockSignals();
  const program::ScopedLog log(log_flags.options);
  program::LogEffectiveValues(*flags);
  StopSignals signals;
  const Outcome result = command(signals.token());
  return Exit(result, signals.number(), is_service(parsed));
}

bool IsNone(const void*) { return false; }

int RunCommand(const std::vector<std::string>& arguments) {
  RunFlags f;
  program::Flags flags("fodc-backup run",
                       "Backs up a node's snapshot to object storage.",
                       program::Version());
  DeclareRun(&flags, &f);
  return Run(
      &flags, f.log, arguments,
      [](const void* parsed) {
        return !static_cast<const RunFlags*>(parsed)->schedule.empty();
      },
      &f,
      [&f](const std::stop_token& stop) {
        return CommandRun(f, SystemClock(), stop);
      });
}

int RestoreCommand(const std::vector<std::string>& arguments) {
  RestoreFlags f;
  program::Flags flags("fodc-backup restore run",
                       "Restores the catalogs whose time-dir asks for it.",
                       program::Version());
  DeclareRestore(&flags, &f);
  return Run(&flags, f.log, arguments, IsNone, &f,
             [&f](const std::stop_token& stop) {
               return CommandRestore(f, SystemClock(), stop);
             });
}

int TimeDirCommand(const std::vector<std::string>& all) {
  const std::string action = all.empty() ? "" : all.front();
  const bool is_list = action == "list";
  if (!is_list && action != "create" && action != "read" &&
      action != "delete") {
    (void)std::fputs(kHelp,
                     action.empty() || action == "--help" ? stdout : stderr);
    return action.empty() || action == "--help" ? 0 : 2;
  }
  TimeDirFlags f;
  program::Flags flags(StrCat("fodc-backup restore timedir ", action),
                       "What there is, and what to restore.",
                       program::Version());
  if (is_list) {
    DeclareTimeDirList(&flags, &f);
  } else {
    DeclareTimeDir(&flags, &f);
  }
  std::vector<std::string> arguments(all.begin() + 1, all.end());
  std::string time;
  if (action == "create" && !arguments.empty() &&
      !arguments.front().starts_with("-")) {
    time = arguments.front();
    arguments.erase(arguments.begin());
  }
  return Run(&flags, f.log, arguments, IsNone, &f,
             [&](const std::stop_token& stop) {
               return is_list ? CommandTimeDirList(f, SystemClock(), stop)
                              : CommandTimeDir(action, f, time, SystemClock());
             });
}

int VerifyCommand(const std::vector<std::string>& arguments) {
  VerifyFlags f;
  program::Flags flags("fodc-backup verify",
                       "Compares what is at a destination with its manifests.",
                       program::Version());
  DeclareVerify(&flags, &f);
  return Run(&flags, f.log, arguments, IsNone, &f,
             [&f](const std::stop_token& stop) {
               return CommandVerify(f, SystemClock(), stop);
             });
}

int ListCommand(const std::vector<std::string>& arguments) {
  TimeDirFlags f;
  program::Flags flags("fodc-backup list", "Shows what is at a destination.",
                       program::Version());
  DeclareTimeDirList(&flags, &f);
  return Run(&flags, f.log, arguments, IsNone, &f,
             [&f](const std::stop_token& stop) {
               return CommandList(f, SystemClock(), stop);
             });
}

int PruneCommand(const std::vector<std::string>& arguments) {
  PruneFlags f;
  program::Flags flags("fodc-backup prune",
                       "Removes backups that no rule keeps.",
                       program::Version());
  DeclarePrune(&flags, &f);
  return Run(&flags, f.log, arguments, IsNone, &f,
             [&f](const std::stop_token& stop) {
               return CommandPrune(f, SystemClock(), stop);
             });
}

int Main(int argc, const char* const* argv) {
  const std::string path = argc > 0 ? argv[0] : "";
  const std::string name = path.substr(path.rfind('/') + 1);
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (name == "restore") {
    words.insert(words.begin(), "restore");
  } else if (name == "backup" && (words.empty() || words.front() != "run")) {
    // The word is accepted, as the original accepts it by accident.
    words.insert(words.begin(), "run");
  }
  const auto rest = [&words](std::size_t from) {
    return std::vector<std::string>(
        words.begin() +
            static_cast<std::ptrdiff_t>(std::min(from, words.size())),
        words.end());
  };
  const auto word = [&words](std::size_t i) {
    return i < words.size() ? words[i] : std::string();
  };
  if (word(0) == "run") return RunCommand(rest(1));
  if (word(0) == "verify") return VerifyCommand(rest(1));
  if (word(0) == "list") return ListCommand(rest(1));
  if (word(0) == "prune") return PruneCommand(rest(1));
  if (word(0) == "restore" && word(1) == "run") return RestoreCommand(rest(2));
  if (word(0) == "restore" && word(1) == "timedir")
    return TimeDirCommand(rest(2));
  if (word(0) == "--version") {
    (void)std::printf("fodc-backup %s\n", program::Version().c_str());
    return 0;
  }
  const bool is_help =
      words.empty() || word(0) == "--help" ||
      (word(0) == "restore" && (words.size() == 1 || word(1) == "--help"));
  if (!is_help) {
    (void)std::fprintf(
        stderr, "fodc-backup: \"%s\" is no command\n",
        StrCat(word(0), word(1).empty() ? "" : " ", word(1)).c_str());
  }
  (void)std::fputs(kHelp, is_help ? stdout : stderr);
  return is_help ? 0 : 2;
}

}  // namespace
}  // namespace fodc::backup

int main(int argc, char** argv) { return fodc::backup::Main(argc, argv); }
