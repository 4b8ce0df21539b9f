// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/event_loop.h"

#include <sys/stat.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "fodc/base/log.h"
#include "fodc/net/event_loop_internal.h"

namespace fodc::net {

namespace asio = boost::asio;
using std::chrono::nanoseconds;

struct EventLoop::Impl::Timer final : Handle::Target {
  void Cancel() override {
    cancelled = true;
    if (const auto loop = owner.lock(); loop && key) {
      auto node = loop->timers.extract(*key);
      key.reset();
    }
    // What the task holds goes now; a running task is not in here.
    Task dead_once = std::move(once);
    auto dead_every = std::move(every);
  }

  // Runs with the key already taken out of the loop's map.
  void Fire(Impl& loop, MonotonicTime now, const std::shared_ptr<Timer>& self) {
    if (once) {
      Task task = std::move(once);
      task();
      return;
    }
    if (!every) return;
    const auto due = static_cast<std::uint64_t>((now - start) / period);
    const std::uint64_t missed = due > tick ? due - tick : 0;
    tick += missed;
    loop.ticks_missed += missed;
    const Tick t{start + static_cast<std::int64_t>(tick) * period, missed};
    ++tick;
    auto task = std::move(every);
    task(t);
    if (cancelled) return;
    every = std::move(task);
    loop.Add(self, start + static_cast<std::int64_t>(tick) * period);
  }

  std::weak_ptr<Impl> owner;
  std::optional<TimerKey> key;  // while it waits
  bool cancelled = false;
  Task once;
  UniqueFunction<void(const Tick&)> every;
  MonotonicTime start;
  nanoseconds period{0};
  std::uint64_t tick = 0;  // the next one
};

struct EventLoop::Impl::FdWatch final : Handle::Target {
  ~FdWatch() override { Release(); }

  void Cancel() override {
    cancelled = true;
    Release();
    Task dead = std::move(ready);
    if (const auto loop = owner.lock()) {
      if (const auto self = me.lock()) loop->watches.erase(self);
    }
  }

  // The descriptor is the caller's: given back, never closed.
  void Release() {
    if (descriptor) descriptor->release();
    descriptor.reset();
  }

  void Wait() {
    descriptor->async_wait(
        asio::posix::stream_descriptor::wait_read,
        [self = me.lock()](const boost::system::error_code& ec) {
          if (self->cancelled) return;
          if (ec) {
            if (ec != asio::error::operation_aborted) {
              LogError("a descriptor is not watched any more",
                       {{"error", ec.message()}});
            }
            return;
          }
          Task task = std::move(self->ready);
          task();
          if (self->cancelled) return;
          self->ready = std::move(task);
          self->Wait();
        });
  }

  std::weak_ptr<Impl> owner;
  std::weak_ptr<FdWatch> me;
  bool cancelled = false;
  Task ready;
  std::optional<asio::posix::stream_descriptor> descriptor;
};

void EventLoop::Impl::Add(std::shared_ptr<Timer> timer, MonotonicTime when) {
  const TimerKey key{when, next_timer++};
  timer->key = key;
  timers.emplace(key, std::move(timer));
  if (!alarm_at || when < *alarm_at) Arm();
}

void EventLoop::Impl::Arm() {
  if (timers.empty()) {
    alarm_at.reset();
    return;
  }
  alarm_at = timers.begin()->first.first;
  alarm.expires_after(*alarm_at - clock.Monotonic());
  alarm.async_wait([this, generation = ++alarm_generation](
                       const boost::system::error_code& ec) {
    // A newer alarm took its place, or the loop ends.
    if (ec || generation != alarm_generation) return;
    alarm_at.reset();
    RunDueTimers();
  });
}

std::size_t EventLoop::Impl::RunDueTimers() {
  const MonotonicTime now = clock.Monotonic();
  // Timers that callbacks add wait for the next round: others get their turn.
  const std::uint64_t end = next_timer;
  std::size_t ran = 0;
  auto it = timers.begin();
  while (it != timers.end() && it->first.first <= now) {
    if (it->first.second >= end) {
      ++it;
      continue;
    }
    const std::shared_ptr<Timer> timer = std::move(it->second);
    timers.erase(it);
    timer->key.reset();
    timer->Fire(*this, now, timer);
    ++ran;
    it = timers.begin();
  }
  if (!timers.empty() &&
      (!alarm_at || *alarm_at != timers.begin()->first.first)) {
    Arm();
  }
  return ran;
}

std::size_t EventLoop::Impl::RunQueued() {
  // Up to a mark: a descriptor that stays readable would never let poll() end.
  bool marked = false;
  asio::post(io, [&marked] { marked = true; });
  std::size_t ran = 0;
  while (!marked && io.poll_one() > 0) ++ran;
  // Stopped from inside: the mark must not outlive this frame.
  while (!marked) {
    io.restart();
    io.poll_one();
  }
  return ran > 0 ? ran - 1 : 0;
}

void EventLoop::Impl::Work(const std::stop_token& stop) {
  while (true) {
    std::pair<Task, Task> job;
    {
      MutexLock lock(mutex);
      while (work.empty() && !stop.stop_requested()) work_there.Wait(mutex);
      if (stop.stop_requested()) return;
      job = std::move(work.front());
      work.pop_front();
    }
    job.first();
    job.first = nullptr;
    asio::post(io, [this, done = std::move(job.second)]() mutable {
      {
        MutexLock lock(mutex);
        --offloaded;
      }
      if (done) done();
    });
  }
}

void EventLoop::Impl::Shutdown() {
  std::vector<std::jthread> threads;
  std::deque<std::pair<Task, Task>> dropped;
  {
    MutexLock lock(mutex);
    closed = true;
    threads.swap(workers);
    dropped.swap(work);
    for (std::jthread& t : threads) t.request_stop();
  }
  work_there.NotifyAll();
  threads.clear();  // joins
  dropped.clear();
  auto pending = std::exchange(timers, {});
  for (auto& [key, timer] : pending) {
    timer->key.reset();
    timer->Cancel();
  }
  while (!watches.empty()) {
    const auto watch = *watches.begin();
    watch->Cancel();
  }
}

EventLoop::Handle& EventLoop::Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    Cancel();
    target_ = std::move(other.target_);
  }
  return *this;
}

void EventLoop::Handle::Cancel() {
  // The callback, which Cancel may destroy, may own this very handle.
  if (const auto target = std::exchange(target_, nullptr)) target->Cancel();
}

EventLoop::EventLoop(const Clock& clock) : EventLoop(clock, Options()) {}
EventLoop::EventLoop(const Clock& clock, const Options& options)
    : impl_(std::make_shared<Impl>(clock, options)) {}
EventLoop::~EventLoop() { impl_->Shutdown(); }

const Clock& EventLoop::clock() const { return impl_->clock; }

void EventLoop::Run() {
  FODC_CHECK(impl_->thread.load() == std::thread::id());
  impl_->thread = std::this_thread::get_id();
  impl_->io.restart();
  impl_->io.run();
  impl_->thread = std::thread::id();
}

std::size_t EventLoop::RunReady() {
  FODC_CHECK(impl_->thread.load() == std::thread::id());
  impl_->thread = std::this_thread::get_id();
  impl_->io.restart();
  std::size_t ran = impl_->RunQueued();
  ran += impl_->RunDueTimers();
  ran += impl_->RunQueued();
  impl_->thread = std::thread::id();
  return ran;
}

bool EventLoop::RunUntil(UniqueFunction<bool()> done,
                         std::chrono::milliseconds limit) {
  const MonotonicTime end = SystemClock().Monotonic() + limit;
  while (!done()) {
    if (SystemClock().Monotonic() >= end) return done();
    if (RunReady() > 0) continue;
    // Nothing is ready: wait for the next event, but look at `done` again soon,
    // for it may hang on another thread.
    impl_->thread = std::this_thread::get_id();
    impl_->io.restart();
    impl_->io.run_one_for(std::chrono::milliseconds(1));
    impl_->thread = std::thread::id();
  }
  return true;
}

void EventLoop::Stop() {
  // Through the queue: a Stop before Run is not lost.
  asio::post(impl_->io, [impl = impl_.get()] { impl->io.stop(); });
}

void EventLoop::Post(Task task) {
  ++impl_->posted_waiting;
  asio::post(impl_->io, [impl = impl_.get(), t = std::move(task)]() mutable {
    --impl->posted_waiting;
    t();
  });
}

bool EventLoop::TryPost(Task task) {
  if (impl_->posted_waiting.load() >= impl_->options.max_posted) {
    ++impl_->posts_refused;
    return false;
  }
  Post(std::move(task));
  return true;
}

EventLoop::Handle EventLoop::RunAfter(nanoseconds delay, Task task) {
  return RunAt(clock().Monotonic() + delay, std::move(task));
}

EventLoop::Handle EventLoop::RunAt(MonotonicTime when, Task task) {
  auto timer = std::make_shared<Impl::Timer>();
  timer->owner = impl_;
  timer->once = std::move(task);
  impl_->Add(timer, when);
  return Handle(std::move(timer));
}

EventLoop::Handle EventLoop::RunEvery(nanoseconds period,
                                      UniqueFunction<void(const Tick&)> task,
                                      std::optional<MonotonicTime> start) {
  FODC_CHECK(period.count() > 0);
  auto timer = std::make_shared<Impl::Timer>();
  timer->owner = impl_;
  timer->every = std::move(task);
  timer->period = period;
  timer->start = start.value_or(clock().Monotonic() + period);
  impl_->Add(timer, timer->start);
  return Handle(std::move(timer));
}

Result<EventLoop::Handle> EventLoop::WatchReadable(int fd, Task ready) {
  struct stat st = {};
  if (::fstat(fd, &st) != 0) return ErrnoStatus(errno, "watch descriptor");
  // epoll refuses these, and Asio would take them for always ready.
  if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
    return FailedPrecondition("a file or directory cannot be watched");
  }
  auto watch = std::make_shared<Impl::FdWatch>();
  watch->owner = impl_;
  watch->me = watch;
  watch->ready = std::move(ready);
  watch->descriptor.emplace(impl_->io);
  boost::system::error_code ec;
  watch->descriptor->assign(fd, ec);
  if (ec) {
    return FailedPrecondition("descriptor cannot be watched: " + ec.message());
  }
  impl_->watches.insert(watch);
  watch->Wait();
  return Handle(std::move(watch));
}

bool EventLoop::Offload(Task work, Task done) {
  MutexLock lock(impl_->mutex);
  if (impl_->closed || impl_->offloaded >= impl_->options.max_offloaded) {
    ++impl_->offloads_refused;
    return false;
  }
  ++impl_->offloaded;
  impl_->work.emplace_back(std::move(work), std::move(done));
  if (impl_->workers.size() < impl_->options.workers) {
    impl_->workers.emplace_back(
        [impl = impl_.get()](const std::stop_token& stop) {
          impl->Work(stop);
        });
  }
  impl_->work_there.NotifyOne();
  return true;
}

EventLoop::Stats EventLoop::stats() const {
  Stats s;
  s.posted_waiting = impl_->posted_waiting;
  s.posts_refused = impl_->posts_refused;
  s.offloads_refused = impl_->offloads_refused;
  s.ticks_missed = impl_->ticks_missed;
  MutexLock lock(impl_->mutex);
  s.offloaded_waiting = impl_->offloaded;
  return s;
}

}  // namespace fodc::net
