// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "fodc/base/strings.h"
#include "fodc/kernel/bpf_log.h"

namespace fodc::kernel {
namespace {

int FdOf(const std::vector<NamedFd>& fds, std::string_view name) {
  for (const NamedFd& f : fds) {
    if (f.name == name) return f.fd.get();
  }
  return -1;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<NamedFd> Keep(const char* name, int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.ok()) return ErrnoStatus(errno, StrCat("keep ", name));
  return NamedFd{name, std::move(copy)};
}

// What the C sources call it: libbpf puts the object's name before the names of
// maps of constants.
const char* NameOf(const bpf_map* map) { return bpf_map__name(map); }

}  // namespace

Status LoadStatus(int error, const std::string& words) {
  const Status status = ErrnoStatus(error, "load");
  const std::string text =
      words.empty() ? status.message() : StrCat(status.message(), ": ", words);
  if (error == EPERM || error == EACCES) {
    // The verifier says EACCES too: then it has said why.
    if (error == EPERM || words.empty()) return PermissionDenied(text);
    return FailedPrecondition(text);
  }
  // E2BIG is a program that the verifier finds too complex.
  if (error == ENOMEM) return ResourceExhausted(text);
  return FailedPrecondition(text);
}

std::uint64_t MissedRuns(int program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(program, &info, &size) == 0
             ? info.recursion_misses
             : 0;
}

int LoadedObject::Program(std::string_view name) const {
  return FdOf(programs, name);
}

int LoadedObject::Map(std::string_view name) const { return FdOf(maps, name); }

void BpfObject::Close::operator()(bpf_object* object) const {
  bpf_object__close(object);
}

Result<BpfObject> BpfObject::Open(const std::string& name,
                                  std::span<const std::byte> bytes) {
  const BpfLog log;
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = name.c_str();
  bpf_object* object =
      bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (object == nullptr) {
    return Internal(StrCat("object ", name, ": ", log.Summary()));
  }
  BpfObject opened(object);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    (void)bpf_program__set_autoload(program, false);
  }
  return opened;
}

void BpfObject::Want(std::string_view program) {
  bpf_program* p = bpf_object__find_program_by_name(
      object_.get(), std::string(program).c_str());
  if (p != nullptr) (void)bpf_program__set_autoload(p, true);
}

void BpfObject::SetEntries(std::string_view map, std::uint32_t entries) {
  bpf_map* m =
      bpf_object__find_map_by_name(object_.get(), std::string(map).c_str());
  if (m != nullptr) (void)bpf_map__set_max_entries(m, entries);
}

void BpfObject::Share(std::string_view map, int fd) {
  bpf_map* m =
      bpf_object__find_map_by_name(object_.get(), std::string(map).c_str());
  if (m != nullptr && bpf_map__reuse_fd(m, fd) == 0) shared_.emplace_back(map);
}

void BpfObject::Skip(std::string_view map) {
  bpf_map* m =
      bpf_object__find_map_by_name(object_.get(), std::string(map).c_str());
  if (m != nullptr && bpf_map__set_autocreate(m, false) == 0) {
    skipped_.emplace_back(map);
  }
}

void BpfObject::SetConstant(std::string_view name, bool value) {
  bpf_map* rodata = nullptr;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    if (std::string_view(NameOf(map)).ends_with(".rodata")) rodata = map;
  }
  const btf* types = bpf_object__btf(object_.get());
  if (rodata == nullptr || types == nullptr) return;
  std::size_t size = 0;
  // The kernel's copy is made of it at load.
  auto* bytes = static_cast<std::uint8_t*>(
      const_cast<void*>(bpf_map__initial_value(rodata, &size)));
  const std::int32_t section =
      btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (bytes == nullptr || section < 0) return;
  const btf_type* type =
      btf__type_by_id(types, static_cast<std::uint32_t>(section));
  const btf_var_secinfo* variables = btf_var_secinfos(type);
  for (std::size_t i = 0; i < btf_vlen(type); ++i) {
    const btf_type* variable = btf__type_by_id(types, variables[i].type);
    const char* called = btf__name_by_offset(types, variable->name_off);
    if (called != nullptr && name == called && variables[i].size == 1 &&
        variables[i].offset < size) {
      bytes[variables[i].offset] = value ? 1 : 0;
    }
  }
}

Result<LoadedObject> BpfObject::Load() && {
  const BpfLog log;
  if (bpf_object__load(object_.get()) != 0)
    return LoadStatus(errno, log.Summary());
  LoadedObject loaded;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    if (bpf_program__fd(program) < 0) continue;
    FODC_ASSIGN_OR_RETURN(NamedFd kept, Keep(bpf_program__name(program),
                                             bpf_program__fd(program)));
    loaded.programs.push_back(std::move(kept));
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    const std::string_view name = NameOf(map);
    if (bpf_map__fd(map) < 0 || Contains(shared_, name) ||
        Contains(skipped_, name)) {
      continue;
    }
    FODC_ASSIGN_OR_RETURN(NamedFd kept, Keep(NameOf(map), bpf_map__fd(map)));
    loaded.maps.push_back(std::move(kept));
  }
  object_.reset();
  return loaded;
}

}  // namespace fodc::kernel
