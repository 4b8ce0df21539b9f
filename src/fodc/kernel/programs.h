// SPDX-License-Identifier: Apache-2.0
// All programs in the kernel: loaded, attached and detached, each by itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/kernel/bpf_object.h"
#include "fodc/kernel/kernel_view.h"
#include "fodc/kernel/program_table.h"
#include "fodc/kernel/reading.h"
#include "fodc/kernel/refusals.h"

namespace fodc::kernel {

// Not thread-safe. What was attached goes with the object.
class Programs {
 public:
  struct Options {
    std::uint32_t max_targets = 1;
    std::size_t in_flight_budget_bytes = 0;
    std::uint32_t disabled_families = 0;  // FamilyBit
  };

  // `kernel` must outlive the object.
  Programs(const Options& options, const KernelView& kernel)
      : options_(options), kernel_(kernel) {}

  // Loads what is not loaded yet: all at first, then what was refused. Counters
  // in the kernel stay. True if nothing is missing.
  bool Load();
  // Programs that Load has put others in place of run until now. True if there
  // were any: from here to Attach nothing is seen of what they looked at.
  bool DropReplaced();
  // Attaches what is loaded and not attached yet. True if nothing was refused.
  bool Attach();
  void Detach();

  // Of a map by its name in bpf/; -1 if it was not made.
  int Map(std::string_view name) const;
  bool Loaded(std::string_view program) const {
    return ProgramFd(program) >= 0;
  }
  // Whether what it counts is worth a look, attached now or not: neither it nor
  // what it needs is refused.
  bool Serves(std::string_view program) const;
  bool Attached(std::string_view program) const;
  std::size_t AttachedCount() const;
  // Whether the programs of the family that make its record are attached.
  bool On(Family family) const;
  FamilyState StateOf(Family family) const;
  // What all maps take, by the kernel's count.
  std::uint64_t MapBytes() const;
  bool uses_task_storage() const { return use_task_storage_; }

  // How often a program was not run, as it was running on the same CPU already.
  std::uint64_t Misses() const;

  // Runs the iterator once, over all tasks.
  // Errors: kNotFound if it is not loaded; else as read(2).
  Status RunIterator(std::string_view program) const;

 private:
  bool LoadGate(const KernelTypes& types);
  void ReplaceGate();
  bool LoadObject(const ObjectSpec& spec, const KernelTypes& types);
  std::vector<std::string_view> Missing(const ObjectSpec& spec,
                                        const KernelTypes& types,
                                        bool* complete);
  Result<LoadedObject> LoadPrograms(const ObjectSpec& spec,
                                    const KernelTypes& types,
                                    const std::vector<std::string_view>& names,
                                    const std::vector<Family>& parts);
  void Keep(LoadedObject loaded);
  void ChooseInFlight();
  void RefuseAll(std::string_view reason, const std::string& detail);
  int ProgramFd(std::string_view name) const;
  Result<UniqueFd> AttachOne(const ProgramSpec& spec, int program) const;
  bool MayAttachExit(const KernelTypes& types);
  // What the program is of no use without; empty if nothing.
  std::string_view NeedOf(const ProgramSpec& program) const;
  bool AttachObject(const ObjectSpec& spec);
  bool IsFit(std::string_view program) const {
    return Loaded(program) && !refused_.Has(program);
  }
  bool Wanted(Family family) const {
    return (options_.disabled_families & FamilyBit(family)) == 0;
  }

  Options options_;
  const KernelView& kernel_;
  bool loaded_once_ = false;
  bool use_task_storage_ = false;
  std::uint32_t in_flight_entries_ = 1;
  std::vector<LoadedObject> objects_;
  std::uint32_t parts_ = 0;  // of the gate that is loaded; FamilyBit
  Refusals refused_;
  std::map<std::string_view, UniqueFd> links_;
  std::vector<UniqueFd> replaced_;   // links of what has been replaced
  std::uint64_t misses_before_ = 0;  // of programs that are no more
};

}  // namespace fodc::kernel
