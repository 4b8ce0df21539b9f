// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "c_event.h"
#include "c_metrics.h"
#include "c_status.h"
#include "fodc/guard/c/soft_limit.h"
#include "fodc/guard/soft_limit.h"

using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::MemoryLevel;
using fodc::guard::ReclaimableCache;
using fodc::guard::SoftLimiter;
using fodc::guard::SoftLimiterOptions;

struct fodc_guard_soft_limiter {
  std::unique_ptr<SoftLimiter> limiter;
};

int fodc_guard_soft_limiter_create(const fodc_guard_soft_limit_options* options,
                                   fodc_guard_soft_limiter** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    SoftLimiterOptions filled;
    if (options->limit != nullptr) {
      FODC_ASSIGN_OR_RETURN(filled.limit,
                            fodc::guard::ParseSoftLimit(options->limit));
    }
    filled.events =
        fodc::guard::ToSink(options->on_event, options->on_event_user);
    filled.metrics = fodc::guard::MetricsOf(options->metrics);
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<SoftLimiter> limiter,
                          SoftLimiter::Create(std::move(filled)));
    *out = new fodc_guard_soft_limiter{std::move(limiter)};
    return OkStatus();
  });
}

void fodc_guard_soft_limiter_destroy(fodc_guard_soft_limiter* limiter) {
  delete limiter;
}

uint64_t fodc_guard_soft_limiter_bytes(const fodc_guard_soft_limiter* limiter) {
  return limiter != nullptr ? limiter->limiter->limit_bytes() : 0;
}

int fodc_guard_soft_limiter_add_cache(fodc_guard_soft_limiter* limiter,
                                      const char* name, uint64_t budget_bytes,
                                      uint64_t minimum_bytes,
                                      void (*set_budget)(void*, uint64_t),
                                      void* user) {
  return AtCEdge([&]() -> Status {
    if (limiter == nullptr || name == nullptr || set_budget == nullptr) {
      return InvalidArgument("limiter, name or set_budget is null");
    }
    return limiter->limiter->AddCache(
        {name, budget_bytes, minimum_bytes,
         [set_budget, user](std::uint64_t bytes) { set_budget(user, bytes); }});
  });
}

int fodc_guard_soft_limiter_start(fodc_guard_soft_limiter* limiter) {
  return AtCEdge([&]() -> Status {
    if (limiter == nullptr) return InvalidArgument("limiter is null");
    return limiter->limiter->Start();
  });
}

void fodc_guard_soft_limiter_on_level(fodc_guard_soft_limiter* limiter,
                                      int level) {
  if (limiter == nullptr || level < 0 || level > 2) return;
  limiter->limiter->OnLevel(static_cast<MemoryLevel>(level));
}
