// SPDX-License-Identifier: Apache-2.0
#include "allocator_symbols.h"

#include <dlfcn.h>

// Weak ones find what is linked statically, dlsym what is not.
#define FODC_WEAK __attribute__((weak))
extern "C" {
FODC_WEAK int mallctl(const char*, void*, std::size_t*, void*, std::size_t);
FODC_WEAK int mallctlnametomib(const char*, std::size_t*, std::size_t*);
FODC_WEAK int mallctlbymib(const std::size_t*, std::size_t, void*, std::size_t*,
                           void*, std::size_t);
FODC_WEAK void malloc_stats_print(void (*)(void*, const char*), void*,
                                  const char*);
FODC_WEAK int MallocExtension_GetNumericProperty(const char*, std::size_t*);
FODC_WEAK void MallocExtension_GetStats(char*, int);
FODC_WEAK void MallocExtension_ReleaseFreeMemory();
FODC_WEAK bool MallocExtension_Internal_GetNumericProperty(const char*,
                                                           std::size_t,
                                                           std::size_t*);
FODC_WEAK void MallocExtension_Internal_ReleaseMemoryToSystem(std::size_t);
}
#define FODC_INSTANCE "_ZN15MallocExtension8instanceEv"
#define FODC_HEAP_SAMPLE                                                  \
  "_ZN15MallocExtension13GetHeapSampleEPNSt7__cxx1112basic_stringIcSt11c" \
  "har_traitsIcESaIcEEE"
FODC_WEAK void* GperftoolsInstance() __asm__(FODC_INSTANCE);
FODC_WEAK void GperftoolsHeapSample(void*,
                                    std::string*) __asm__(FODC_HEAP_SAMPLE);

namespace fodc::guard {
namespace {

template <typename Function>
Function* Find(Function* linked, const char* name) {
  if (linked != nullptr) return linked;
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

const JemallocSymbols& Jemalloc() {
  static const JemallocSymbols symbols = {
      Find(&mallctl, "mallctl"), Find(&mallctlnametomib, "mallctlnametomib"),
      Find(&mallctlbymib, "mallctlbymib"),
      Find(&malloc_stats_print, "malloc_stats_print")};
  return symbols;
}

const GperftoolsSymbols& Gperftools() {
  static const GperftoolsSymbols symbols = {
      Find(&GperftoolsInstance, FODC_INSTANCE),
      Find(&GperftoolsHeapSample, FODC_HEAP_SAMPLE),
      Find(&MallocExtension_GetNumericProperty,
           "MallocExtension_GetNumericProperty"),
      Find(&MallocExtension_GetStats, "MallocExtension_GetStats"),
      Find(&MallocExtension_ReleaseFreeMemory,
           "MallocExtension_ReleaseFreeMemory")};
  return symbols;
}

const GoogleTcmallocSymbols& GoogleTcmalloc() {
  static const GoogleTcmallocSymbols symbols = {
      Find(&MallocExtension_Internal_GetNumericProperty,
           "MallocExtension_Internal_GetNumericProperty"),
      Find(&MallocExtension_Internal_ReleaseMemoryToSystem,
           "MallocExtension_Internal_ReleaseMemoryToSystem")};
  return symbols;
}

}  // namespace fodc::guard
