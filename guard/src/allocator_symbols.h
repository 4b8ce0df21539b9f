// SPDX-License-Identifier: Apache-2.0
// Functions of allocators that may or may not be in this process. Looked up,
// not linked: the library serves whatever the host has chosen, preloaded or
// not.
#pragma once

#include <cstddef>
#include <string>

namespace fodc::guard {

// jemalloc(3). Null without jemalloc.
struct JemallocSymbols {
  int (*mallctl)(const char* name, void* old_value, std::size_t* old_bytes,
                 void* new_value, std::size_t new_bytes) = nullptr;
  int (*name_to_mib)(const char* name, std::size_t* mib,
                     std::size_t* parts) = nullptr;
  int (*mallctl_by_mib)(const std::size_t* mib, std::size_t parts,
                        void* old_value, std::size_t* old_bytes,
                        void* new_value, std::size_t new_bytes) = nullptr;
  void (*stats_print)(void (*write)(void* context, const char* text),
                      void* context, const char* options) = nullptr;
};
const JemallocSymbols& Jemalloc();

// gperftools/malloc_extension.h, as its compiler calls it. Null without it.
struct GperftoolsSymbols {
  void* (*instance)() = nullptr;
  // MallocExtension::GetHeapSample(std::string*) of `instance`.
  void (*get_heap_sample)(void* instance, std::string* out) = nullptr;
  int (*get_numeric_property)(const char* name, std::size_t* value) = nullptr;
  void (*get_stats)(char* buffer, int bytes) = nullptr;
  void (*release_free_memory)() = nullptr;
};
const GperftoolsSymbols& Gperftools();

// google/tcmalloc, tcmalloc/internal_malloc_extension.h. Null without it.
struct GoogleTcmallocSymbols {
  bool (*get_numeric_property)(const char* name, std::size_t name_bytes,
                               std::size_t* value) = nullptr;
  void (*release_memory)(std::size_t bytes) = nullptr;
};
const GoogleTcmallocSymbols& GoogleTcmalloc();

}  // namespace fodc::guard
