// SPDX-License-Identifier: Apache-2.0
// One compiled object of eBPF programs, from its bytes to descriptors. libbpf's
// own memory, the kernel's type information above all, goes when it is loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

struct bpf_object;

namespace fodc::kernel {

struct NamedFd {
  std::string name;
  UniqueFd fd;
};

// What the kernel holds as long as the descriptors are open.
struct LoadedObject {
  std::vector<NamedFd> programs;
  std::vector<NamedFd> maps;  // those made for it, its constants included

  // -1 if there is none of the name.
  int Program(std::string_view name) const;
  int Map(std::string_view name) const;
};

// How often a program was not run, as it was running on the same CPU already.
std::uint64_t MissedRuns(int program);

// What a load that ended with errno `error` means; `words`: the kernel's and
// libbpf's, may be empty. Codes as of BpfObject::Load.
Status LoadStatus(int error, const std::string& words);

// Not thread-safe.
class BpfObject {
 public:
  // `bytes` may go afterwards. No program is wanted yet.
  // Errors: kInternal if they are no such object.
  static Result<BpfObject> Open(const std::string& name,
                                std::span<const std::byte> bytes);
  BpfObject(BpfObject&&) noexcept = default;
  BpfObject& operator=(BpfObject&&) noexcept = default;

  // Programs, maps and constants that the object does not have are passed over.
  void Want(std::string_view program);
  void SetEntries(std::string_view map, std::uint32_t entries);
  // Uses a map that is there already instead of making one.
  void Share(std::string_view map, int fd);
  // Makes no such map; no program that is wanted may use it.
  void Skip(std::string_view map);
  // A `const volatile bool`.
  void SetConstant(std::string_view name, bool value);

  // Loads what is wanted; the object is spent then.
  // Errors: kPermissionDenied, kResourceExhausted (no memory) or
  // kFailedPrecondition with the kernel's words.
  Result<LoadedObject> Load() &&;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  explicit BpfObject(bpf_object* object) : object_(object) {}

  std::unique_ptr<bpf_object, Close> object_;
  std::vector<std::string> shared_;
  std::vector<std::string> skipped_;
};

}  // namespace fodc::kernel
