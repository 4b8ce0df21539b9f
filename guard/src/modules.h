// SPDX-License-Identifier: Apache-2.0
// What is mapped into this process to be executed: program, libraries, vdso,
// with their build ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fodc::guard {

struct Module {
  std::uintptr_t begin = 0;  // addresses of its loaded segments
  std::uintptr_t end = 0;
  // Address in memory minus address in the file's own headers: what addr2line
  // wants is the address minus this.
  std::uintptr_t bias = 0;
  std::string path;
  std::string build_id;  // hexadecimal; empty if it has none
};

// As it was when the table was made. Immutable.
class ModuleTable {
 public:
  // Those that are loaded now, by address. Takes the loader's lock.
  static ModuleTable Read();

  // Null if the address is in none. Async-signal-safe.
  const Module* Find(std::uintptr_t address) const;
  const std::vector<Module>& modules() const { return modules_; }
  // The program itself; null if there is none.
  const Module* program() const;

 private:
  std::vector<Module> modules_;
  std::uintptr_t program_begin_ = 0;
};

}  // namespace fodc::guard
