// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/guardian.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <new>
#include <type_traits>
#include <utility>

#include "fodc/base/mutex.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guardian/own_survival.h"
#include "fodc/guardian/wall_keeper.h"

namespace fodc::guardian {
namespace {

using std::chrono::nanoseconds;

// What the thread needs at its deepest, several times over.
#ifdef FODC_SANITIZED  // whose own state of a thread lies there, too
constexpr std::size_t kStackBytes = 8u << 20;
#else
constexpr std::size_t kStackBytes = 256u << 10;
#endif
static_assert(std::is_trivially_destructible_v<ReportRing>);
// While nobody is guarded it waits to be told.
constexpr std::chrono::hours kIdle{1};

timespec ToTimespec(nanoseconds d) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(d);
  return {.tv_sec = static_cast<time_t>(whole.count()),
          .tv_nsec = static_cast<long>((d - whole).count())};
}

void Wake(int fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

void Drain(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

}  // namespace

struct Guardian::Impl {
  // What the owner has decided of a row, until the thread takes it.
  struct Order {
    bool is_new = false;
    std::unique_ptr<Subject> subject;  // null: let go
    MonotonicTime started;
    std::unique_ptr<Wall> wall;  // null: as before
    ProcessName wall_of;
    // What the thread had: freed by the owner.
    Retired retired;
  };

  Impl(const GuardianOptions& o, const Clock& c,
       std::unique_ptr<WallKeeper> keeper)
      : options(o),
        clock(c),
        orders(o.rows),
        states(o.rows),
        reports(*new (report_pages.data()) ReportRing) {
    WallRules wall_rules;
    wall_rules.options = o.wall;
    if (o.has_walls) {
      wall_timer = std::make_unique<WallTimer>(o.rows, c, std::move(keeper));
      wall_rules.timer = wall_timer.get();
    }
    watches.reserve(o.rows);
    for (std::size_t i = 0; i < o.rows; ++i) {
      watches.push_back(std::make_unique<Watch>(
          i, o.rules, wall_rules,
          i < o.stops_before.size() ? o.stops_before[i] : std::vector<Stop>(),
          c, counts, [this](const Report& r) { Tell(r); }));
    }
    due.resize(o.rows, MonotonicTime::max());
    // One for orders; a descriptor and two kinds of events for each row.
    polls.resize(1 + 3 * o.rows);
  }

  Status Start();
  static void* Main(void* self) {
    static_cast<Impl*>(self)->Run();
    return nullptr;
  }
  void Run();
  void TakeOrders();
  void LookAtAll(MonotonicTime now);
  void Wait();
  void Tell(const Report& report);

  const GuardianOptions options;
  const Clock& clock;
  ActionCounts counts;
  LockedPages stack{kStackBytes};
  // Written to only when there is something to tell.
  LockedPages report_pages{sizeof(ReportRing)};
  std::string refused;
  UniqueFd wake;
  UniqueFd reported;
  pthread_t thread{};
  bool is_running = false;
  std::atomic<bool> stopping{false};

  std::unique_ptr<WallTimer> wall_timer;  // outlives the watches

  // The thread's.
  std::vector<std::unique_ptr<Watch>> watches;
  std::vector<MonotonicTime> due;
  std::vector<pollfd> polls;

  Mutex mutex;
  std::vector<Order> orders FODC_GUARDED_BY(mutex);
  std::vector<WatchState> states FODC_GUARDED_BY(mutex);
  ReportRing& reports FODC_GUARDED_BY(mutex);
};

Status Guardian::Impl::Start() {
  wake = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  reported = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.ok() || !reported.ok()) return ErrnoStatus(errno, "eventfd");
  for (const Status& locked :
       {stack.status(), report_pages.status(), LockCode()}) {
    if (!locked.ok() && refused.empty()) refused = locked.message();
  }
  pthread_attr_t attributes;
  (void)::pthread_attr_init(&attributes);
  int error = ::pthread_attr_setstack(&attributes, stack.data(), stack.size());
  // Signals are the program's.
  sigset_t all;
  sigset_t before;
  (void)::sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  if (error == 0) error = ::pthread_create(&thread, &attributes, &Main, this);
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)::pthread_attr_destroy(&attributes);
  if (error != 0) return ErrnoStatus(error, "the guardian's thread");
  is_running = true;
  (void)::pthread_setname_np(thread, "guardian");
  return {};
}

void Guardian::Impl::Tell(const Report& report) {
  {
    const MutexLock lock(mutex);
    reports.Push(report);
  }
  Wake(reported.get());
}

void Guardian::Impl::TakeOrders() {
  for (std::size_t i = 0; i < watches.size(); ++i) {
    Order order;
    {
      const MutexLock lock(mutex);
      if (!orders[i].is_new && orders[i].wall == nullptr) continue;
      order = std::exchange(orders[i], {});
    }
    // The descriptors of what it had are closed by the owner, after this
    // thread has ceased to wait for them.
    Retired retired = std::move(order.retired);
    const auto retire = [&retired](Retired r) {
      if (r.subject != nullptr) retired.subject = std::move(r.subject);
      if (r.wall != nullptr) retired.wall = std::move(r.wall);
    };
    if (order.is_new) {
      retire(order.subject != nullptr
                 ? watches[i]->Arm(std::move(order.subject), order.started)
                 : watches[i]->Disarm());
    }
    if (order.wall != nullptr)
      retire(watches[i]->PutWall(std::move(order.wall), order.wall_of));
    due[i] = watches[i]->subject() != nullptr ? clock.Monotonic()
                                              : MonotonicTime::max();
    const MutexLock lock(mutex);
    orders[i].retired = std::move(retired);
    states[i] = watches[i]->state();
  }
}

void Guardian::Impl::LookAtAll(MonotonicTime now) {
  for (std::size_t i = 0; i < watches.size(); ++i) {
    if (due[i] > now) continue;
    const auto wait = watches[i]->Look();
    due[i] = wait ? clock.Monotonic() + *wait : MonotonicTime::max();
    const MutexLock lock(mutex);
    states[i] = watches[i]->state();
  }
}

void Guardian::Impl::Wait() {
  MonotonicTime next = clock.Monotonic() + kIdle;
  polls[0] = {.fd = wake.get(), .events = POLLIN, .revents = 0};
  for (std::size_t i = 0; i < watches.size(); ++i) {
    next = std::min(next, due[i]);
    const Subject* const s = watches[i]->subject();
    const Wall* const w = watches[i]->wall();
    const int fds[] = {s == nullptr ? -1 : s->pidfd(),
                       s == nullptr ? -1 : s->event_fd(),
                       w == nullptr ? -1 : w->event_fd()};
    // A negative descriptor is passed over.
    for (std::size_t k = 0; k < 3; ++k) {
      polls[1 + 3 * i + k] = {.fd = fds[k], .events = POLLIN, .revents = 0};
    }
  }
  const timespec timeout =
      ToTimespec(std::max(next - clock.Monotonic(), nanoseconds(0)));
  if (::ppoll(polls.data(), polls.size(), &timeout, nullptr) <= 0) return;
  if (polls[0].revents != 0) Drain(wake.get());
  for (std::size_t i = 0; i < watches.size(); ++i) {
    const pollfd* const p = &polls[1 + 3 * i];
    if (p[1].revents != 0) watches[i]->subject()->DrainEvents();
    if (p[2].revents != 0) watches[i]->wall()->DrainEvents();
    // An event says only that it is time to look.
    if (p[0].revents != 0 || p[1].revents != 0 || p[2].revents != 0)
      due[i] = {};
  }
}

void Guardian::Impl::Run() {
  while (!stopping.load()) {
    TakeOrders();
    LookAtAll(clock.Monotonic());
    Wait();
  }
}

Guardian::Guardian(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Guardian>> Guardian::Start(
    const GuardianOptions& options, const Clock& clock) {
  std::unique_ptr<WallKeeper> keeper;
  if (options.has_walls) {
    // Before there is locked memory, which a fork would have copied page by
    // page at the next write.
    FODC_ASSIGN_OR_RETURN(keeper, WallKeeper::Start(options.rows));
  }
  auto impl = std::make_unique<Impl>(options, clock, std::move(keeper));
  FODC_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Guardian>(new Guardian(std::move(impl)));
}

Guardian::~Guardian() {
  if (!impl_->is_running) return;
  impl_->stopping.store(true);
  Wake(impl_->wake.get());
  (void)::pthread_join(impl_->thread, nullptr);
}

void Guardian::Guard(std::size_t row, std::unique_ptr<KernelSubject> subject,
                     MonotonicTime started) {
  Retired before;  // freed here, without the lock
  std::unique_ptr<Subject> not_taken;
  {
    const MutexLock lock(impl_->mutex);
    Impl::Order& order = impl_->orders[row];
    std::swap(before, order.retired);
    not_taken = std::move(order.subject);
    order.is_new = true;
    order.subject = std::move(subject);
    order.started = started;
  }
  Wake(impl_->wake.get());
}

void Guardian::PutWall(std::size_t row, std::unique_ptr<KernelWall> wall,
                       const ProcessName& who) {
  Retired before;
  std::unique_ptr<Wall> not_taken;
  {
    const MutexLock lock(impl_->mutex);
    Impl::Order& order = impl_->orders[row];
    std::swap(before, order.retired);
    not_taken = std::move(order.wall);
    order.wall = std::move(wall);
    order.wall_of = who;
  }
  Wake(impl_->wake.get());
}

void Guardian::LetGo(std::size_t row) { Guard(row, nullptr, {}); }

void Guardian::FreeRetired() {
  std::vector<Retired> retired;
  const MutexLock lock(impl_->mutex);
  for (Impl::Order& order : impl_->orders)
    retired.push_back(std::exchange(order.retired, {}));
}

int Guardian::report_fd() const { return impl_->reported.get(); }

std::optional<Report> Guardian::TakeReport() {
  // First the mark, then the ring: what comes between is marked anew.
  Drain(impl_->reported.get());
  const MutexLock lock(impl_->mutex);
  auto report = impl_->reports.Pop();
  return report;
}

std::uint64_t Guardian::reports_dropped() const {
  const MutexLock lock(impl_->mutex);
  return impl_->reports.dropped();
}

std::vector<WatchState> Guardian::States() const {
  const MutexLock lock(impl_->mutex);
  return impl_->states;
}

const ActionCounts& Guardian::counts() const { return impl_->counts; }

const std::string& Guardian::refused() const { return impl_->refused; }

}  // namespace fodc::guardian
