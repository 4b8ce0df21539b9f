// SPDX-License-Identifier: Apache-2.0
#include "throw_site.h"

#include <typeinfo>
#include <utility>

#include "stack_walk.h"

namespace fodc::guard {
namespace {

thread_local constinit ThrowSite* t_site = nullptr;

}  // namespace

class ThrowProbeType final : public std::type_info {
 public:
  ThrowProbeType() : std::type_info("fodc::guard::ThrowProbe") {}

  // libstdc++ asks the type of each handler this way (<typeinfo>).
  bool __do_catch(const std::type_info*, void**, unsigned) const override {
    if (t_site != nullptr) t_site->size_ = WalkStack(t_site->frames_);
    return false;
  }
};

// What `catch (ThrowProbe&)` refers to. The compiler makes none of its own: it
// would stand where ~ThrowProbe is defined, which it is nowhere.
extern const ThrowProbeType kThrowProbeType __asm__(
    "_ZTIN4fodc5guard10ThrowProbeE");
const ThrowProbeType kThrowProbeType;

ThrowSite::ThrowSite() : outer_(std::exchange(t_site, this)) {}
ThrowSite::~ThrowSite() { t_site = outer_; }

}  // namespace fodc::guard
