// SPDX-License-Identifier: Apache-2.0
// A program that dies in the way it is told: crasher DIRECTORY WAY.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fodc/guard/breadcrumb.h"
#include "fodc/guard/crash.h"
#include "fodc/guard/exit_cause.h"
#include "fodc/guard/memwatch.h"

namespace {

using fodc::guard::AddBreadcrumb;

std::atomic<int> g_ready{0};

[[gnu::noinline]] void WriteToNull() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

[[gnu::noinline]] int Overflow(volatile char* above) {
  volatile char here[512];
  here[0] = above == nullptr ? 'x' : *above;
  return here[0] == 'y' ? 0 : Overflow(here) + here[0];
}

[[gnu::noinline]] void ThrowSeven() { throw 7; }

[[gnu::noinline]] void CallNull() {
  void (*volatile nothing)() = nullptr;
  nothing();
  std::puts("never");
}

[[gnu::noinline]] void Hold(std::atomic<bool>* stop) {
  ++g_ready;
  while (!stop->load()) (void)::pause();
}

void StartHeldThreads(int count, bool block_signals = false) {
  static std::atomic<bool> never{false};
  for (int i = 0; i < count; ++i) {
    std::thread([i, block_signals] {
      (void)::pthread_setname_np(pthread_self(),
                                 ("held-" + std::to_string(i)).c_str());
      if (block_signals) {
        sigset_t all;
        (void)::sigfillset(&all);
        (void)::pthread_sigmask(SIG_SETMASK, &all, nullptr);
      }
      Hold(&never);
    }).detach();
  }
  while (g_ready < count) std::this_thread::yield();
}

// Holds the lock of the arena that all of this process's threads use.
void HoldMallocLock() {
  (void)::mallopt(M_ARENA_MAX, 1);
  std::thread([] {
    // While malloc_info writes, it has the arena locked; this stream takes the
    // text of an arena and then nothing more.
    cookie_io_functions_t slow{};
    slow.write = [](void*, const char*, size_t n) -> ssize_t {
      ++g_ready;
      for (;;) (void)::pause();
      return static_cast<ssize_t>(n);
    };
    std::FILE* stream = ::fopencookie(nullptr, "w", slow);
    (void)std::setvbuf(stream, nullptr, _IONBF, 0);
    (void)::malloc_info(0, stream);
  }).detach();
  while (g_ready < 1) std::this_thread::yield();
}

void Chained(int, siginfo_t* info, void*) {
  char text[64];
  const int n = std::snprintf(text, sizeof(text), "chained %d at %p\n",
                              info->si_signo, info->si_addr);
  (void)!::write(1, text, static_cast<size_t>(n));
  (void)::signal(info->si_signo, SIG_DFL);
}

void Handle(int number) {
  struct sigaction action {};
  action.sa_sigaction = Chained;
  action.sa_flags = SA_SIGINFO;
  (void)::sigaction(number, &action, nullptr);
}

// Installs a handler that calls the one that is there, as a library may.
void PassToTheOneBefore(int number) {
  static struct sigaction before;
  struct sigaction action {};
  action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
    before.sa_sigaction(signal, info, context);
  };
  action.sa_flags = SA_SIGINFO;
  (void)::sigaction(number, &action, &before);
}

// A disk of 1 MiB that goes with this process.
bool MountSmallDisk(const std::string& directory) {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=1m") != 0) {
    return false;
  }
  return true;
}

// When the handler is armed and holds its reserve.
void FillRest(const std::string& directory) {
  const int fd =
      ::open((directory + "/filler").c_str(), O_CREAT | O_WRONLY, 0600);
  const std::vector<char> block(4096, 'x');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
  (void)::close(fd);
}

// Before all constructors of static objects, those of the library too.
[[gnu::constructor(101)]] void DieBeforeMain() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
  const char* directory = std::getenv("CRASH_BEFORE_MAIN");
  if (directory == nullptr) return;
  fodc::guard::CrashOptions options;
  options.directory = directory;
  if (!fodc::guard::ArmCrashHandler(options).ok()) ::_exit(3);
  AddBreadcrumb("static objects");
  WriteToNull();
}

struct FaultyWhat : std::exception {
  const char* what() const noexcept override {
    WriteToNull();
    return "";
  }
};

using Way = std::function<void()>;

std::map<std::string, Way> Ways() {
  return {
      {"segv", [] { WriteToNull(); }},
      {"overflow", [] { (void)Overflow(nullptr); }},
      {"abort", [] { std::abort(); }},
      {"exception", [] { throw std::runtime_error("torn \"tail\""); }},
      {"faulty-what", [] { throw FaultyWhat(); }},
      {"noexcept",
       [] {
         const auto quiet = []() noexcept { ThrowSeven(); };
         quiet();
       }},
      {"divide",
       [] {
         volatile int zero = 0;
         volatile int result = 7 / zero;
         (void)result;
       }},
      {"illegal", [] { __builtin_trap(); }},
      {"bus",
       [] {
         const int fd = ::memfd_create("short", 0);
         auto* p = static_cast<volatile char*>(
             ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
         (void)*p;
       }},
      {"trap", [] { (void)::raise(SIGTRAP); }},
      {"sys", [] { (void)::raise(SIGSYS); }},
      {"null-call", [] { CallNull(); }},
      {"wild-stack",
       [] {
#if defined(__x86_64__)
         asm volatile("mov $0x1000, %%rsp\n\tpush %%rax" ::: "memory");
#else
         WriteToNull();
#endif
       }},
      {"thread",
       [] {
         std::thread([] {
           (void)::pthread_setname_np(pthread_self(), "writer");
           AddBreadcrumb("write", "store", {{"key", "k1"}});
           WriteToNull();
         }).join();
       }},
      {"overflow-covered",
       [] {
         std::thread([] {
           (void)fodc::guard::CoverThisThread();
           (void)Overflow(nullptr);
         }).join();
       }},
      {"overflow-refreshed",
       [] {
         std::atomic<bool> go{false};
         std::thread other([&go] {
           ++g_ready;
           while (!go) std::this_thread::yield();
           (void)Overflow(nullptr);
         });
         while (g_ready < 1) std::this_thread::yield();
         if (!fodc::guard::RefreshCrashHandler().ok()) std::exit(3);
         // Again: it has one now, and keeps it.
         if (!fodc::guard::RefreshCrashHandler().ok()) std::exit(3);
         go = true;
         other.join();
       }},
      {"overflow-refresher",
       [] {
         std::thread([] {
           if (!fodc::guard::RefreshCrashHandler().ok()) std::exit(3);
           (void)Overflow(nullptr);
         }).join();
       }},
      {"overflow-callback",
       [] {
         fodc::guard::MemwatchOptions options;
         options.source = fodc::guard::MemorySource::kRss;
         options.hard.bytes = 1;
         options.on_pressure = [](const fodc::guard::MemoryState&) {
           (void)Overflow(nullptr);
         };
         const auto watch = fodc::guard::Memwatch::Create(options);
         if (watch.ok() && (*watch)->Start().ok()) (*watch)->WaitDone();
       }},
      {"overflow-bare",
       [] { std::thread([] { (void)Overflow(nullptr); }).join(); }},
      {"malloc-lock",
       [] {
         HoldMallocLock();
         WriteToNull();
       }},
      {"many-threads",
       [] {
         StartHeldThreads(200);
         WriteToNull();
       }},
      {"silent-thread",
       [] {
         StartHeldThreads(1, true);
         WriteToNull();
       }},
      {"two-at-once",
       [] {
         std::atomic<int> at{0};
         const auto die = [&at] {
           ++at;
           while (at < 2) {
           }
           WriteToNull();
         };
         std::thread other(die);
         die();
         other.join();
       }},
      {"lost-breadcrumb",
       [] {
         // The text of a breadcrumb is taken from under the handler.
         auto store = std::make_shared<fodc::guard::BreadcrumbStore>();
         fodc::guard::Breadcrumb b;
         b.stage.assign(std::size_t{8} << 20, 'x');
         const auto at =
             (reinterpret_cast<std::uintptr_t>(b.stage.data()) + 4095) &
             ~std::uintptr_t{4095};
         store->Add(std::move(b));
         const fodc::guard::ScopedBreadcrumbs scope(store);
         (void)::munmap(reinterpret_cast<void*>(at), std::size_t{4} << 20);
         std::abort();
       }},
      {"bytes",
       [] {
         std::string bytes;
         for (int c = 1; c < 256; ++c) bytes += static_cast<char>(c);
         bytes += std::string("\0end", 4);
         AddBreadcrumb(bytes, bytes, {{bytes, bytes}});
         WriteToNull();
       }},
      {"killed",
       [] {
         (void)::kill(::getpid(), SIGABRT);
         ::pause();
       }},
      {"forked",
       [] {
         const pid_t child = ::fork();
         if (child == 0) WriteToNull();
         int status = 0;
         (void)::waitpid(child, &status, 0);
         std::printf("%d\n", child);
         std::fflush(stdout);
         std::exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 4);
       }},
      {"file-size-limit",
       [] {
         const rlimit none{0, 0};
         (void)::setrlimit(RLIMIT_FSIZE, &none);
         throw std::runtime_error("no file");
       }},
      {"no-descriptor",
       [] {
         while (::dup(0) >= 0) {
         }
         WriteToNull();
       }},
      {"main-has-left",
       [] {
         const pid_t main_thread = ::getpid();
         std::thread([main_thread] {
           // Until it is a zombie.
           const std::string path =
               "/proc/self/task/" + std::to_string(main_thread) + "/stat";
           for (char state = 0; state != 'Z';) {
             char text[256] = {};
             const int fd = ::open(path.c_str(), O_RDONLY);
             (void)!::read(fd, text, sizeof(text) - 1);
             (void)::close(fd);
             state = std::strrchr(text, ')')[2];
           }
           WriteToNull();
         }).detach();
         ::pthread_exit(nullptr);
       }},
      {"ignored",
       [] {
         (void)::raise(SIGFPE);
         std::exit(0);
       }},
      {"at-once", [] { throw std::runtime_error("bad schema"); }},
  };
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const std::string directory = argv[1];
  const std::string way = argv[2];
  const rlimit no_core{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  if (way == "chained" || way == "chained-abort") {
    Handle(SIGSEGV);
    Handle(SIGABRT);
  }
  if (way == "ignored") (void)::signal(SIGFPE, SIG_IGN);
  if (way == "terminate-chained") {
    std::set_terminate([] {
      (void)!::write(1, "terminated\n", 11);
      ::_exit(9);
    });
  }
  // The default one writes to standard error, which is a file too.
  if (way == "file-size-limit") std::set_terminate([] { std::abort(); });
  // A life whose end the next process reads, begun before the handler is armed
  // or after.
  const char* const life_directory = std::getenv("CRASH_LIFE");
  const bool is_life_first = std::getenv("CRASH_LIFE_FIRST") != nullptr;
  std::unique_ptr<fodc::guard::Life> life;
  const auto begin_life = [&] {
    if (life_directory == nullptr) return;
    auto begun = fodc::guard::Life::Begin({.directory = life_directory});
    if (!begun.ok()) {
      std::printf("%s\n", begun.status().ToString().c_str());
      std::exit(6);
    }
    life = *std::move(begun);
  };
  if (is_life_first) begin_life();
  const bool is_full_disk = way.starts_with("full-disk");
  if (is_full_disk && !MountSmallDisk(directory)) return 77;

  fodc::guard::CrashOptions options;
  options.directory = directory;
  options.component = "crash er:1";
  options.metadata = {{"shard", "7"}};
  options.handle_sigtrap = true;
  options.thread_wait = std::chrono::seconds(way == "silent-thread" ? 1 : 20);
  if (way == "at-once") options.max_artifacts = 3;
  if (way == "full-disk-bare") options.reserve_bytes = 0;
  const auto armed = [&] {
    const fodc::Status status = fodc::guard::ArmCrashHandler(options);
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return status.ok();
  };

  if (is_full_disk) {
    // A child dies in the full disk; this one copies what it left, since the
    // mount goes with its namespace.
    const pid_t child = ::fork();
    if (child == 0) {
      if (!armed()) return 3;
      FillRest(directory);
      WriteToNull();
    }
    int status = 0;
    (void)::waitpid(child, &status, 0);
    const std::string copy = "cat " + directory +
                             "/2*/panic.json 2>/dev/null;"
                             " ls " +
                             directory + " >&2";
    (void)!std::system(copy.c_str());
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 5;
  }
  if (!armed()) return 3;
  if (!is_life_first) begin_life();
  AddBreadcrumb("start", "main", {{"way", way}});
  if (way == "descriptor-of-another") {
    // What a daemon does after its start; the next files get the numbers.
    for (int fd = 3; fd < 64; ++fd) (void)::close(fd);
    const int fd =
        ::open((directory + "/kept").c_str(), O_CREAT | O_RDWR, 0600);
    (void)!::write(fd, "kept", 4);
    for (int i = 0; i < 16; ++i) (void)::dup(fd);
    WriteToNull();
  }
  if (way == "previous-life") {
    if (life->previous()) {
      std::puts(std::string(ExitCauseName(life->previous()->cause)).c_str());
    }
    return life->Conclude(fodc::OkStatus());
  }
  if (way == "stop-then-segv") {
    (void)life->End(fodc::guard::ExitCause::kStop);
    WriteToNull();
  }
  if (way == "life-in-child") {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(life->Conclude(fodc::OkStatus()));
    int status = 0;
    (void)::waitpid(child, &status, 0);
    (void)::kill(::getpid(), SIGKILL);
  }
  if (way == "run") {
    std::puts("runs");
    std::fflush(stdout);
    for (;;) ::pause();
  }
  if (way == "chained") WriteToNull();
  if (way == "chained-abort") std::abort();
  if (way == "terminate-chained") throw std::runtime_error("told before");
  if (way == "disarmed") {
    fodc::guard::DisarmCrashHandler();
    WriteToNull();
  }
  if (way == "disarmed-below-another") {
    PassToTheOneBefore(SIGSEGV);
    fodc::guard::DisarmCrashHandler();
    WriteToNull();
  }
  const auto ways = Ways();
  const auto it = ways.find(way);
  if (it == ways.end()) return 64;
  it->second();
  return 65;
}
