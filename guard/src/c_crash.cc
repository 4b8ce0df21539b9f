// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "c_event.h"
#include "c_status.h"
#include "fodc/guard/breadcrumb.h"
#include "fodc/guard/c/crash.h"
#include "fodc/guard/crash.h"

namespace fodc::guard {
namespace {

std::vector<std::pair<std::string, std::string>> Pairs(
    const char* const* texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  // A key without its value ends the list.
  for (; texts != nullptr && texts[0] != nullptr && texts[1] != nullptr;
       texts += 2) {
    pairs.emplace_back(texts[0], texts[1]);
  }
  return pairs;
}

std::string_view TextOr(const char* text) {
  return text == nullptr ? std::string_view() : text;
}

}  // namespace
}  // namespace fodc::guard

namespace guard = fodc::guard;

void fodc_guard_crash_options_init(struct fodc_guard_crash_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->directory = "crash";
  const guard::CrashOptions defaults;
  options->max_artifacts = defaults.max_artifacts;
  options->thread_wait_ms = defaults.thread_wait.count();
  options->reserve_bytes = defaults.reserve_bytes;
  options->memory_reserve_bytes = defaults.memory_reserve_bytes;
}

int fodc_guard_crash_arm(const struct fodc_guard_crash_options* options) {
  return guard::AtCEdge([&]() -> fodc::Status {
    if (options == nullptr) return fodc::InvalidArgument("options is null");
    guard::CrashOptions o;
    o.directory = guard::TextOr(options->directory);
    o.component = guard::TextOr(options->component);
    o.max_artifacts = options->max_artifacts;
    o.metadata = guard::Pairs(options->metadata);
    o.handle_sigtrap = options->handle_sigtrap != 0;
    o.thread_wait = std::chrono::milliseconds(options->thread_wait_ms);
    o.thread_signal = options->thread_signal;
    o.reserve_bytes = options->reserve_bytes;
    o.memory_reserve_bytes = options->memory_reserve_bytes;
    o.sink = guard::ToSink(options->on_event, options->on_event_user);
    return guard::ArmCrashHandler(o);
  });
}

void fodc_guard_crash_disarm(void) { guard::DisarmCrashHandler(); }

int fodc_guard_crash_cover_this_thread(void) {
  return guard::AtCEdge([] { return guard::CoverThisThread(); });
}

int fodc_guard_crash_refresh(void) {
  return guard::AtCEdge([] { return guard::RefreshCrashHandler(); });
}

void fodc_guard_breadcrumb(const char* stage, const char* component,
                           const char* const* fields) {
  guard::Quietly([&] {
    guard::AddBreadcrumb(guard::TextOr(stage), guard::TextOr(component),
                         guard::Pairs(fields));
  });
}
