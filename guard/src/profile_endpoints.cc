// SPDX-License-Identifier: Apache-2.0
#include "profile_endpoints.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <memory>
#include <span>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/profile_writer.h"
#include "own_mappings.h"
#include "stack_walk.h"
#include "thread_asker.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;

constexpr auto kStackWait = 200ms;
constexpr std::string_view kRoot = "/debug/pprof/";

struct Endpoint {
  ProfileEndpoint endpoint;
  std::string_view name;
  std::string_view what;
};
constexpr std::array kEndpoints = {
    Endpoint{ProfileEndpoint::kHeap, "heap",
             "what is allocated, and where: profile.proto, gzipped"},
    Endpoint{ProfileEndpoint::kThreads, "threads",
             "stacks of all threads: profile.proto, gzipped"},
    Endpoint{ProfileEndpoint::kAllocator, "allocator",
             "what the allocator says of itself: text"},
    Endpoint{ProfileEndpoint::kCmdline, "cmdline",
             "the arguments, separated by NUL"},
    Endpoint{ProfileEndpoint::kSymbol, "symbol",
             "names of addresses: ?0x12+0xab, or by POST"},
};

std::atomic<bool> is_turn_taken{false};

// Of who has the turn.
constinit ThreadAsker g_threads(&TellStack);

Status AddThread(pid_t tid, const ThreadStatus& status,
                 std::span<const std::uintptr_t> stack,
                 pprof::ProfileWriter* writer) {
  const std::int64_t one[] = {1};
  const std::string number = std::to_string(tid);
  const pprof::SampleLabel labels[] = {{"thread", status.Name()},
                                       {"tid", number},
                                       {"state", {&status.run_state, 1}}};
  return writer->Add(stack, one, labels);
}

}  // namespace

std::optional<ProfileEndpoint> FindProfileEndpoint(std::string_view path) {
  if (!ConsumePrefix(&path, kRoot)) return {};
  if (path.empty()) return ProfileEndpoint::kIndex;
  for (const Endpoint& e : kEndpoints) {
    if (e.name == path) return e.endpoint;
  }
  return {};
}

std::string_view ProfileEndpointName(ProfileEndpoint endpoint) {
  for (const Endpoint& e : kEndpoints) {
    if (e.endpoint == endpoint) return e.name;
  }
  return "index";
}

ProfileTurn::ProfileTurn()
    : is_ours_(!is_turn_taken.exchange(true, std::memory_order_acquire)) {}

ProfileTurn::~ProfileTurn() {
  if (is_ours_) is_turn_taken.store(false, std::memory_order_release);
}

Status WriteThreads(const pprof::Sink& sink) {
  FODC_RETURN_IF_ERROR(g_threads.Prepare());
  // Without the signal, which is the host's then, threads have no stacks.
  (void)TakeThreadSignal(ThreadProfileSignal());
  const int error = g_threads.List();
  if (error != 0) return ErrnoStatus(error, "/proc/self/task");
  g_threads.Ask(ThreadProfileSignal(), kStackWait, SystemClock());
  const OwnMappings mappings;
  constexpr pprof::ValueTypeName kThreads = {"threads", "count"};
  pprof::ProfileHead head;
  head.sample_types = {&kThreads, 1};
  head.default_sample_type = kThreads.type;
  head.period_type = kThreads;
  head.period = 1;
  head.time = SystemClock().Unix();
  head.mappings = mappings.all();
  const std::string beyond =
      StrCat(g_threads.beyond(), " more threads are not here");
  const std::string_view comments[] = {beyond};
  if (g_threads.beyond() > 0) head.comments = comments;
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<pprof::ProfileWriter> writer,
                        pprof::ProfileWriter::Create(head, sink));
  const pid_t own = ::gettid();
  std::array<std::uintptr_t, AskedThread::kMaxFrames> frames;
  const std::size_t size = WalkStack(frames);
  FODC_RETURN_IF_ERROR(AddThread(own, ReadThreadStatus(own),
                                 std::span(frames).first(size), writer.get()));
  for (const AskedThread* t : g_threads.threads()) {
    const bool has_answered = t->stage() == AskedThread::Stage::kAnswered;
    FODC_RETURN_IF_ERROR(
        AddThread(t->tid, t->status,
                  has_answered ? t->Stack() : std::span<const std::uintptr_t>(),
                  writer.get()));
  }
  return writer->Finish();
}

Result<std::string> CommandLine() {
  FODC_ASSIGN_OR_RETURN(std::string text, ReadFile("/proc/self/cmdline"));
  if (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

std::string SymbolNames(std::string_view asked) {
  // The number is not that of all names: clients look whether it is 0.
  if (asked.empty()) return "num_symbols: 1\n";
  std::string out;
  for (std::string_view text : Split(asked, '+')) {
    text = Trim(text);
    std::string_view digits = text;
    ConsumePrefix(&digits, "0x");
    std::uint64_t address = 0;
    const auto [p, error] = std::from_chars(
        digits.data(), digits.data() + digits.size(), address, 16);
    Dl_info info = {};
    if (error != std::errc() || p != digits.data() + digits.size() ||
        dladdr(reinterpret_cast<void*>(address), &info) == 0 ||
        info.dli_sname == nullptr) {
      continue;
    }
    const std::string_view name = info.dli_sname;
    if (out.size() + text.size() + name.size() + 2 > kMaxSymbolBytes) break;
    out += StrCat(text, "\t", name, "\n");
  }
  return out;
}

std::string ProfileIndex() {
  std::string out;
  for (const Endpoint& e : kEndpoints) {
    out += StrCat(kRoot, e.name, "  ", e.what, "\n");
  }
  return out;
}

}  // namespace fodc::guard
