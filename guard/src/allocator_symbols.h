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
};
const GperftoolsSymbols& Gperftools();

}  // namespace fodc::guard
