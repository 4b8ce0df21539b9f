// SPDX-License-Identifier: Apache-2.0
#include "modules.h"

#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <string_view>

namespace fodc::guard {
namespace {

// Of the notes in a loaded segment, each: three words, name, description, both
// padded to 4 bytes (elf(5)).
std::string BuildIdOf(std::string_view notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note{};
    std::memcpy(&note, notes.data(), sizeof(note));
    notes.remove_prefix(sizeof(note));
    const std::size_t name_bytes = (std::size_t{note.n_namesz} + 3) & ~3u;
    const std::size_t id_bytes = (std::size_t{note.n_descsz} + 3) & ~3u;
    if (name_bytes > notes.size() || id_bytes > notes.size() - name_bytes) {
      break;
    }
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(0, note.n_namesz) == std::string_view("GNU\0", 4)) {
      constexpr char kHex[] = "0123456789abcdef";
      std::string id;
      for (const char c : notes.substr(name_bytes, note.n_descsz)) {
        id += kHex[static_cast<unsigned char>(c) >> 4];
        id += kHex[c & 15];
      }
      return id;
    }
    notes.remove_prefix(name_bytes + id_bytes);
  }
  return {};
}

std::string ProgramPath() {
  std::array<char, PATH_MAX> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  return n <= 0 ? std::string() : std::string(path.data(), std::size_t(n));
}

struct Reading {
  std::vector<Module>* modules;
  std::uintptr_t program_begin = 0;
  bool is_first = true;  // the program comes first (dl_iterate_phdr(3))
};

int AddModule(dl_phdr_info* info, std::size_t, void* argument) {
  auto& reading = *static_cast<Reading*>(argument);
  Module m;
  m.begin = UINTPTR_MAX;
  m.bias = info->dlpi_addr;
  for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    const std::uintptr_t at = info->dlpi_addr + p.p_vaddr;
    if (p.p_type == PT_LOAD) {
      m.begin = std::min(m.begin, at);
      m.end = std::max(m.end, at + p.p_memsz);
    } else if (p.p_type == PT_NOTE && m.build_id.empty()) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what the loader
      // gives
      m.build_id = BuildIdOf({reinterpret_cast<const char*>(at), p.p_memsz});
    }
  }
  m.path = reading.is_first ? ProgramPath() : info->dlpi_name;
  if (m.begin < m.end) {
    if (reading.is_first) reading.program_begin = m.begin;
    reading.modules->push_back(std::move(m));
  }
  reading.is_first = false;
  return 0;
}

}  // namespace

ModuleTable ModuleTable::Read() {
  ModuleTable table;
  Reading reading{&table.modules_};
  (void)::dl_iterate_phdr(AddModule, &reading);
  table.program_begin_ = reading.program_begin;
  std::sort(table.modules_.begin(), table.modules_.end(),
            [](const Module& a, const Module& b) { return a.begin < b.begin; });
  return table;
}

const Module* ModuleTable::Find(std::uintptr_t address) const {
  for (const Module& m : modules_) {
    if (address >= m.begin && address < m.end) return &m;
  }
  return nullptr;
}

const Module* ModuleTable::program() const { return Find(program_begin_); }

}  // namespace fodc::guard
