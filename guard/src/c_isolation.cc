// SPDX-License-Identifier: Apache-2.0
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "c_event.h"
#include "c_metrics.h"
#include "c_status.h"
#include "fodc/base/strings.h"
#include "fodc/guard/c/isolation.h"
#include "fodc/guard/isolation.h"

using fodc::Code;
using fodc::InvalidArgument;
using fodc::MonotonicTime;
using fodc::OkStatus;
using fodc::Status;
using fodc::SystemClock;
using fodc::guard::AtCEdge;
using fodc::guard::HeavyRequest;
using fodc::guard::HeavyWork;
using fodc::guard::Isolation;
using fodc::guard::IsolationOptions;
using fodc::guard::MemoryLevel;
using fodc::guard::PeerHold;
using fodc::guard::Refusal;
using fodc::guard::RefusalName;
using fodc::guard::RequestBytes;

static_assert(FODC_GUARD_BUSY_TEXT == fodc::guard::kBusyText);
static_assert(FODC_GUARD_CONNECTIONS_TEXT == fodc::guard::kConnectionsText);
static_assert(FODC_GUARD_SLOW_DOWN_STATUS == fodc::guard::kSlowDownStatus);
static_assert(FODC_GUARD_SLOW_DOWN_CODE == fodc::guard::kSlowDownCode);
static_assert(FODC_GUARD_SLOW_DOWN_HEADERS == fodc::guard::kSlowDownHeaders);

struct fodc_guard_isolation {
  std::unique_ptr<Isolation> isolation;
  std::size_t class_count;
};

namespace {

// The object that lies in the host's storage. Its destructor does what its
// release does, and nothing else, so it need not run.
template <typename T, typename Storage>
T* In(Storage* storage) {
  static_assert(sizeof(T) <= sizeof storage->opaque);
  static_assert(alignof(T) <= alignof(Storage));
  return std::launder(reinterpret_cast<T*>(storage->opaque));
}
template <typename T, typename Storage>
const T* In(const Storage* storage) {
  return std::launder(reinterpret_cast<const T*>(storage->opaque));
}

Status ToStatus(Refusal refusal) {
  Code code = Code::kUnavailable;
  if (refusal == Refusal::kNone) return OkStatus();
  if (refusal == Refusal::kTooLarge) code = Code::kOutOfRange;
  if (refusal == Refusal::kCancelled) code = Code::kCancelled;
  return {code, fodc::StrCat("refused: ", RefusalName(refusal))};
}

std::string_view TextOf(const char* text) {
  return text != nullptr ? std::string_view(text) : std::string_view();
}

std::optional<std::uint64_t> Declared(std::uint64_t bytes) {
  if (bytes == FODC_GUARD_LENGTH_UNKNOWN) return std::nullopt;
  return bytes;
}

Status FillOptions(const fodc_guard_isolation_options& from,
                   IsolationOptions* to) {
  to->slots.slots = from.slots;
  if (from.class_names != nullptr) {
    to->slots.classes.clear();
    for (std::size_t i = 0; i < from.class_count; ++i) {
      to->slots.classes.push_back(
          {std::string(TextOf(from.class_names[i])),
           from.class_weights != nullptr ? from.class_weights[i] : 1,
           {}});
      if (from.class_guaranteed != nullptr &&
          from.class_guaranteed[i] != FODC_GUARD_BY_WEIGHT) {
        to->slots.classes.back().guaranteed = from.class_guaranteed[i];
      }
    }
  }
  to->heavy_per_peer = from.heavy_per_peer;
  to->connections_per_address = from.connections_per_address;
  to->bytes.budget_bytes = from.budget_bytes;
  to->bytes.guaranteed_percent = from.guaranteed_percent;
  to->bytes.unit_bytes = from.unit_bytes;
  constexpr std::uint64_t kMostMs = 86'400'000;
  if (from.restore_after_ms > kMostMs) {
    return InvalidArgument(fodc::StrCat("restore_after_ms ",
                                        from.restore_after_ms,
                                        " is beyond the limit of ", kMostMs));
  }
  to->restore_after = std::chrono::milliseconds(from.restore_after_ms);
  to->on_event = fodc::guard::ToSink(from.on_event, from.on_event_user);
  to->metrics = fodc::guard::MetricsOf(from.metrics);
  return OkStatus();
}

}  // namespace

void fodc_guard_isolation_options_init(fodc_guard_isolation_options* options) {
  if (options == nullptr) return;
  const IsolationOptions defaults;
  *options = {};
  options->heavy_per_peer = defaults.heavy_per_peer;
  options->connections_per_address = defaults.connections_per_address;
  options->budget_bytes = defaults.bytes.budget_bytes;
  options->guaranteed_percent = defaults.bytes.guaranteed_percent;
  options->unit_bytes = defaults.bytes.unit_bytes;
  options->restore_after_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          defaults.restore_after)
          .count());
}

int fodc_guard_isolation_create(const fodc_guard_isolation_options* options,
                                fodc_guard_isolation** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    IsolationOptions filled;
    FODC_RETURN_IF_ERROR(FillOptions(*options, &filled));
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<Isolation> isolation,
                          Isolation::Create(filled));
    *out = new fodc_guard_isolation{std::move(isolation),
                                    filled.slots.classes.size()};
    return OkStatus();
  });
}

void fodc_guard_isolation_destroy(fodc_guard_isolation* isolation) {
  delete isolation;
}

int fodc_guard_isolation_set_level(fodc_guard_isolation* isolation, int level) {
  return AtCEdge([&]() -> Status {
    if (isolation == nullptr) return InvalidArgument("isolation is null");
    if (level < 0 || level > 2) {
      return InvalidArgument(
          fodc::StrCat("level ", level, " of memory is not 0, 1 or 2"));
    }
    isolation->isolation->SetMemoryLevel(static_cast<MemoryLevel>(level));
    return OkStatus();
  });
}

void fodc_guard_isolation_update_metrics(fodc_guard_isolation* isolation) {
  if (isolation != nullptr) isolation->isolation->UpdateMetrics();
}

int fodc_guard_admit(fodc_guard_isolation* isolation,
                     const fodc_guard_work_request* request,
                     fodc_guard_work* work) {
  return AtCEdge([&]() -> Status {
    if (work == nullptr) return InvalidArgument("work is null");
    auto* const admitted = new (work->opaque) HeavyWork();
    if (isolation == nullptr || request == nullptr) {
      return InvalidArgument("isolation or request is null");
    }
    if (request->class_index >= isolation->class_count) {
      return InvalidArgument(fodc::StrCat("class ", request->class_index,
                                          " of ", isolation->class_count,
                                          " is none"));
    }
    HeavyRequest heavy;
    heavy.class_index = request->class_index;
    heavy.peer = TextOf(request->peer);
    if (request->timeout_ms > 0) {
      const MonotonicTime now = SystemClock().Monotonic();
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          MonotonicTime::max() - now);
      if (request->timeout_ms < static_cast<std::uint64_t>(left.count())) {
        heavy.deadline = now + std::chrono::milliseconds(request->timeout_ms);
      }
    }
    if (request->parent != nullptr) {
      heavy.parent = In<HeavyWork>(request->parent)->token();
    }
    *admitted = isolation->isolation->Admit(heavy);
    return ToStatus(admitted->refusal());
  });
}

int fodc_guard_work_is_cancelled(const fodc_guard_work* work) {
  return work != nullptr &&
                 In<HeavyWork>(work)->IsCancelled(SystemClock().Monotonic())
             ? 1
             : 0;
}

void fodc_guard_work_release(fodc_guard_work* work) {
  if (work != nullptr) In<HeavyWork>(work)->Release();
}

int fodc_guard_connect(fodc_guard_isolation* isolation, const char* address,
                       fodc_guard_connection* connection, int* should_tell) {
  return AtCEdge([&]() -> Status {
    if (connection == nullptr) return InvalidArgument("connection is null");
    auto* const hold = new (connection->opaque) PeerHold();
    if (isolation == nullptr || address == nullptr) {
      return InvalidArgument("isolation or address is null");
    }
    *hold = isolation->isolation->Connect(address);
    if (should_tell != nullptr) *should_tell = hold->should_tell() ? 1 : 0;
    return ToStatus(hold->refusal());
  });
}

void fodc_guard_connection_release(fodc_guard_connection* connection) {
  if (connection != nullptr) In<PeerHold>(connection)->Release();
}

int fodc_guard_body_peek(fodc_guard_isolation* isolation,
                         uint64_t declared_bytes) {
  return AtCEdge([&]() -> Status {
    if (isolation == nullptr) return InvalidArgument("isolation is null");
    return ToStatus(isolation->isolation->PeekBytes(Declared(declared_bytes)));
  });
}

void fodc_guard_body_begin(fodc_guard_isolation* isolation,
                           uint64_t declared_bytes, fodc_guard_body* body) {
  if (body == nullptr) return;
  auto* const bytes = new (body->opaque) RequestBytes();
  if (isolation == nullptr) return;  // takes nothing
  *bytes = isolation->isolation->BeginBytes(Declared(declared_bytes));
}

uint64_t fodc_guard_body_next_bytes(const fodc_guard_body* body) {
  return body != nullptr ? In<RequestBytes>(body)->next_bytes() : 0;
}

int fodc_guard_body_take(fodc_guard_isolation* isolation, fodc_guard_body* body,
                         uint64_t bytes) {
  return AtCEdge([&]() -> Status {
    if (isolation == nullptr || body == nullptr) {
      return InvalidArgument("isolation or body is null");
    }
    return ToStatus(
        isolation->isolation->TakeBytes(In<RequestBytes>(body), bytes));
  });
}

void fodc_guard_body_give(fodc_guard_body* body, uint64_t bytes) {
  if (body != nullptr) In<RequestBytes>(body)->Give(bytes);
}

void fodc_guard_body_release(fodc_guard_body* body) {
  if (body != nullptr) In<RequestBytes>(body)->GiveAll();
}
