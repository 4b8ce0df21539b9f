// SPDX-License-Identifier: Apache-2.0
// What the kernel said against programs, for machines and for people.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/kernel/program_table.h"
#include "fodc/kernel/reading.h"

namespace fodc::kernel {

// By the name of a program, or of a part of the gate; names live as long as
// the program. The last word of each counts. Not thread-safe.
class Refusals {
 public:
  struct Refusal {
    std::string_view reason;  // as FamilyState::reason
    std::string detail;
  };

  void Add(std::string_view name, const Status& status);
  void Add(std::string_view name, const Refusal& why) { all_[name] = why; }
  void Remove(std::string_view name) { all_.erase(name); }
  bool Has(std::string_view name) const { return all_.contains(name); }
  // Any of them, `otherwise` if there is none.
  Refusal AnyOr(const Refusal& otherwise) const {
    return all_.empty() ? otherwise : all_.begin()->second;
  }
  // Sets reason and detail by what stands against the family's programs; what
  // several have in common is told once. Leaves them if that is nothing.
  void Tell(const ObjectSpec& spec, FamilyState* state) const;

 private:
  std::map<std::string_view, Refusal> all_;
};

}  // namespace fodc::kernel
