// SPDX-License-Identifier: Apache-2.0
// Variables of the environment for tests, which have one thread.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>

namespace fodc::guard {

// Set while it lives; null: not set. It is not set after.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const char* value) : name_(std::move(name)) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
    if (value != nullptr) (void)::setenv(name_.c_str(), value, 1);
  }
  ~ScopedVariable() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
    (void)::unsetenv(name_.c_str());
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const std::string name_;
};

}  // namespace fodc::guard
