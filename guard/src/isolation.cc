// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/isolation.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "edge.h"
#include "fodc/base/mutex.h"

namespace fodc::guard {
namespace {

constexpr std::string_view kConnectionClass = "connection";
// Of connections that were closed without a word; else as RefusalName.
constexpr std::string_view kSilent = "silent";
constexpr double kWaitBounds[] = {1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1};

constexpr std::array<std::string_view, 3> kLevelNames = {"normal", "soft",
                                                         "hard"};

// The series of one class. All null without metrics.
struct ClassSeries {
  Status Find(Metrics* metrics, std::string_view name,
              std::initializer_list<Refusal> refusals) {
    FODC_ASSIGN_OR_RETURN(
        admitted,
        metrics->FindCounter("fodc_guard_admitted_total", {{"class", name}}));
    for (const Refusal r : refusals) {
      FODC_ASSIGN_OR_RETURN(
          rejected[static_cast<std::size_t>(r)],
          metrics->FindCounter("fodc_guard_rejected_total",
                               {{"class", name}, {"reason", RefusalName(r)}}));
    }
    return OkStatus();
  }
  void Count(Refusal refusal) const noexcept {
    Counter* const counter = refusal == Refusal::kNone
                                 ? admitted
                                 : rejected[static_cast<std::size_t>(refusal)];
    if (counter != nullptr) counter->Add();
  }

  Counter* admitted = nullptr;
  std::array<Counter*, kRefusals> rejected{};
};

struct SlotSeries : ClassSeries {
  Gauge* slots = nullptr;
  Gauge* in_use = nullptr;
  Histogram* wait = nullptr;
};

struct ByteSeries : ClassSeries {
  Gauge* inflight = nullptr;
};

}  // namespace

struct Isolation::Impl {
  Status FindSeries();
  HeavyWork Admit(const HeavyRequest& request, MonotonicTime now) noexcept;
  HeavyWork AdmitNested(const HeavyRequest& request,
                        MonotonicTime now) noexcept;
  void SetLevel(MemoryLevel level) noexcept;
  // Gives back what is due. False if nothing was.
  bool Restore() noexcept;
  void Apply(MemoryLevel level) noexcept FODC_REQUIRES(mutex);
  void TellLevel(MemoryLevel level) const noexcept;
  ByteSeries& SeriesOf(ByteClass c) noexcept {
    return byte_series[static_cast<std::size_t>(c)];
  }

  IsolationOptions options;
  const Clock* clock = nullptr;
  std::unique_ptr<SlotLimiter> slots;
  std::unique_ptr<ByteBudget> bytes;
  std::unique_ptr<PeerLimit> heavy_peers;
  std::unique_ptr<PeerLimit> connections;

  std::vector<SlotSeries> slot_series;
  std::array<ByteSeries, kByteClasses> byte_series;
  ClassSeries connection_series;
  Counter* silent = nullptr;

  std::atomic<MemoryLevel> level{MemoryLevel::kNormal};
  Mutex mutex;
  // What memory says now, if that is lower than `level`, and since when.
  MemoryLevel lower FODC_GUARDED_BY(mutex) = MemoryLevel::kNormal;
  std::optional<MonotonicTime> lower_since FODC_GUARDED_BY(mutex);
};

Status Isolation::Impl::FindSeries() {
  slot_series.resize(slots->classes());
  if (options.metrics == nullptr) return OkStatus();
  Metrics* const m = options.metrics;
  for (std::size_t i = 0; i < slots->classes(); ++i) {
    SlotSeries& s = slot_series[i];
    const std::string& name = slots->class_name(i);
    FODC_RETURN_IF_ERROR(
        s.Find(m, name,
               {Refusal::kFull, Refusal::kMemory, Refusal::kPeer,
                Refusal::kPeerTable, Refusal::kCancelled}));
    FODC_ASSIGN_OR_RETURN(s.slots,
                          m->FindGauge("fodc_guard_slots", {{"class", name}}));
    FODC_ASSIGN_OR_RETURN(
        s.in_use, m->FindGauge("fodc_guard_slots_in_use", {{"class", name}}));
    FODC_ASSIGN_OR_RETURN(s.wait,
                          m->FindHistogram("fodc_guard_admission_wait_seconds",
                                           kWaitBounds, {{"class", name}}));
  }
  for (const ByteClass c : {ByteClass::kSmall, ByteClass::kLarge}) {
    ByteSeries& s = SeriesOf(c);
    const std::string_view name = ByteClassName(c);
    FODC_RETURN_IF_ERROR(s.Find(
        m, name, {Refusal::kFull, Refusal::kMemory, Refusal::kTooLarge}));
    FODC_ASSIGN_OR_RETURN(s.inflight, m->FindGauge("fodc_guard_inflight_bytes",
                                                   {{"class", name}}));
  }
  FODC_RETURN_IF_ERROR(connection_series.Find(
      m, kConnectionClass, {Refusal::kPeer, Refusal::kPeerTable}));
  FODC_ASSIGN_OR_RETURN(silent, m->FindCounter("fodc_guard_rejected_total",
                                               {{"class", kConnectionClass},
                                                {"reason", kSilent}}));
  return OkStatus();
}

HeavyWork Isolation::Impl::AdmitNested(const HeavyRequest& request,
                                       MonotonicTime now) noexcept {
  HeavyWork work;
  work.deadline_ = std::min(request.deadline, request.parent.deadline_);
  work.cancelled_ = request.parent.cancelled_;
  if (work.IsCancelled(now)) {
    work.refusal_ = Refusal::kCancelled;
    return work;
  }
  work.slot_ = slots->Acquire(request.class_index, request.parent.slot_);
  return work;
}

HeavyWork Isolation::Impl::Admit(const HeavyRequest& request,
                                 MonotonicTime now) noexcept {
  HeavyWork work;
  work.deadline_ = request.deadline;
  work.cancelled_ = request.cancelled;
  if (work.IsCancelled(now)) {
    work.refusal_ = Refusal::kCancelled;
    return work;
  }
  if (!request.peer.empty()) {
    work.peer_ = heavy_peers->Acquire(request.peer);
    if (!work.peer_.admitted()) {
      work.refusal_ = work.peer_.refusal();
      return work;
    }
  }
  work.slot_ = slots->Acquire(request.class_index);
  if (!work.slot_.admitted() && Restore()) {
    work.slot_ = slots->Acquire(request.class_index);
  }
  if (!work.slot_.admitted()) {
    work.refusal_ = work.slot_.refusal();
    work.peer_.Release();
  }
  return work;
}

void Isolation::Impl::Apply(MemoryLevel to) noexcept {
  level.store(to, std::memory_order_relaxed);
  slots->SetLevel(to);
  bytes->SetLevel(to);
}

void Isolation::Impl::TellLevel(MemoryLevel to) const noexcept {
  Quietly([&] {
    const std::string total = std::to_string(slots->slots());
    const std::string budget = std::to_string(bytes->budget_bytes());
    const auto fields = std::to_array<EventField>({
        {"level", kLevelNames[static_cast<std::size_t>(to)]},
        {"slots", total, true},
        {"budget_bytes", budget, true},
    });
    Tell(options.on_event,
         {to == MemoryLevel::kNormal ? EventLevel::kInfo : EventLevel::kWarn,
          "limits of admission changed", fields});
  });
}

void Isolation::Impl::SetLevel(MemoryLevel to) noexcept {
  {
    const MutexLock lock(mutex);
    const MemoryLevel now = level.load(std::memory_order_relaxed);
    if (to < now) {
      lower = to;
      if (!lower_since) lower_since = clock->Monotonic();
      return;
    }
    lower_since.reset();
    if (to == now) return;
    Apply(to);
  }
  TellLevel(to);
}

bool Isolation::Impl::Restore() noexcept {
  if (level.load(std::memory_order_relaxed) == MemoryLevel::kNormal) {
    return false;
  }
  MemoryLevel to{};
  {
    const MutexLock lock(mutex);
    const MemoryLevel before = level.load(std::memory_order_relaxed);
    to = before;
    const MonotonicTime now = clock->Monotonic();
    while (lower_since && now - *lower_since >= options.restore_after) {
      to = static_cast<MemoryLevel>(static_cast<std::uint8_t>(to) - 1);
      if (to == lower) {
        lower_since.reset();
      } else {
        *lower_since += options.restore_after;
      }
    }
    if (to == before) return false;
    Apply(to);
  }
  TellLevel(to);
  return true;
}

HeavyWork::HeavyWork(HeavyWork&& other) noexcept
    : slot_(std::move(other.slot_)),
      peer_(std::move(other.peer_)),
      in_use_(std::exchange(other.in_use_, nullptr)),
      deadline_(other.deadline_),
      cancelled_(other.cancelled_),
      refusal_(other.refusal_) {}

HeavyWork& HeavyWork::operator=(HeavyWork&& other) noexcept {
  if (this == &other) return *this;
  Release();
  slot_ = std::move(other.slot_);
  peer_ = std::move(other.peer_);
  in_use_ = std::exchange(other.in_use_, nullptr);
  deadline_ = other.deadline_;
  cancelled_ = other.cancelled_;
  refusal_ = other.refusal_;
  return *this;
}

WorkToken HeavyWork::token() const noexcept {
  WorkToken token;
  token.slot_ = slot_.token();
  token.deadline_ = deadline_;
  token.cancelled_ = cancelled_;
  return token;
}

bool HeavyWork::IsCancelled(MonotonicTime now) const noexcept {
  return now >= deadline_ ||
         (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed));
}

void HeavyWork::Release() noexcept {
  slot_.Release();
  peer_.Release();
  if (Gauge* const g = std::exchange(in_use_, nullptr)) g->Add(-1);
}

Isolation::Isolation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Isolation::~Isolation() = default;

Result<std::unique_ptr<Isolation>> Isolation::Create(
    const IsolationOptions& options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<Isolation>> {
    if (options.restore_after < std::chrono::nanoseconds(0)) {
      return InvalidArgument("restore_after must not be negative");
    }
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    impl->clock = options.clock != nullptr ? options.clock : &SystemClock();
    FODC_ASSIGN_OR_RETURN(impl->slots, SlotLimiter::Create(options.slots));
    FODC_ASSIGN_OR_RETURN(impl->bytes, ByteBudget::Create(options.bytes));
    PeerLimitOptions peers;
    peers.max_per_peer = options.heavy_per_peer;
    FODC_ASSIGN_OR_RETURN(impl->heavy_peers,
                          PeerLimit::Create(peers, *impl->clock));
    peers.max_per_peer = options.connections_per_address;
    FODC_ASSIGN_OR_RETURN(impl->connections,
                          PeerLimit::Create(peers, *impl->clock));
    FODC_RETURN_IF_ERROR(impl->FindSeries());
    std::unique_ptr<Isolation> isolation(new Isolation(std::move(impl)));
    isolation->UpdateMetrics();
    return isolation;
  });
}

HeavyWork Isolation::Admit(const HeavyRequest& request) noexcept {
  const MonotonicTime begin = impl_->clock->Monotonic();
  if (request.parent.slot_.IsOf(*impl_->slots)) {
    return impl_->AdmitNested(request, begin);
  }
  HeavyWork work = impl_->Admit(request, begin);
  const SlotSeries& series = impl_->slot_series[std::min(
      request.class_index, impl_->slot_series.size() - 1)];
  series.Count(work.refusal_);
  if (work.admitted() && series.in_use != nullptr) {
    work.in_use_ = series.in_use;
    series.in_use->Add(1);
    const std::chrono::duration<double> took =
        impl_->clock->Monotonic() - begin;
    series.wait->Observe(took.count());
  }
  return work;
}

PeerHold Isolation::Connect(std::string_view address) noexcept {
  PeerHold hold = impl_->connections->Acquire(address);
  if (hold.should_tell()) {
    impl_->connection_series.Count(hold.refusal());
  } else if (impl_->silent != nullptr) {
    impl_->silent->Add();
  }
  return hold;
}

Refusal Isolation::PeekBytes(
    std::optional<std::uint64_t> declared_bytes) noexcept {
  Refusal refusal = impl_->bytes->Peek(declared_bytes);
  if (refusal != Refusal::kNone && impl_->Restore()) {
    refusal = impl_->bytes->Peek(declared_bytes);
  }
  if (refusal != Refusal::kNone) {
    impl_->SeriesOf(impl_->bytes->ClassOf(declared_bytes)).Count(refusal);
  }
  return refusal;
}

RequestBytes Isolation::BeginBytes(
    std::optional<std::uint64_t> declared_bytes) noexcept {
  return impl_->bytes->Begin(declared_bytes);
}

Refusal Isolation::TakeBytes(RequestBytes* request,
                             std::uint64_t bytes) noexcept {
  Refusal refusal = request->Take(bytes);
  if (refusal != Refusal::kNone && impl_->Restore()) {
    refusal = request->Take(bytes);
  }
  impl_->SeriesOf(request->byte_class()).Count(refusal);
  return refusal;
}

void Isolation::SetMemoryLevel(MemoryLevel level) noexcept {
  impl_->SetLevel(level);
  impl_->Restore();
  UpdateMetrics();
}

MemoryLevel Isolation::limits_level() noexcept {
  impl_->Restore();
  return impl_->level.load(std::memory_order_relaxed);
}

void Isolation::UpdateMetrics() noexcept {
  impl_->Restore();
  if (impl_->options.metrics == nullptr) return;
  for (std::size_t i = 0; i < impl_->slot_series.size(); ++i) {
    impl_->slot_series[i].slots->Set(impl_->slots->slots_of(i));
  }
  for (const ByteClass c : {ByteClass::kSmall, ByteClass::kLarge}) {
    impl_->SeriesOf(c).inflight->Set(
        static_cast<double>(impl_->bytes->held_bytes(c)));
  }
}

SlotLimiter& Isolation::slots() noexcept { return *impl_->slots; }
ByteBudget& Isolation::bytes() noexcept { return *impl_->bytes; }
PeerLimit& Isolation::heavy_peers() noexcept { return *impl_->heavy_peers; }
PeerLimit& Isolation::connections() noexcept { return *impl_->connections; }

}  // namespace fodc::guard
