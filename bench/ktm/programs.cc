// SPDX-License-Identifier: Apache-2.0
#include "bench/ktm/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "empty.skel.h"
#include "plain.skel.h"

namespace fodc::bench {
namespace {

[[noreturn]] void Die(const std::string& what) {
  (void)std::fprintf(stderr, "bench_ktm: %s\n", what.c_str());
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): one thread
}

}  // namespace

AttachedObject::AttachedObject(const std::string& object,
                               const std::vector<std::string>& parts) {
  std::size_t size = 0;
  const void* bytes =
      object == "plain" ? plain__elf_bytes(&size) : empty__elf_bytes(&size);
  object_ = bpf_object__open_mem(bytes, size, nullptr);
  if (object_ == nullptr) Die("cannot open " + object);
  bpf_program* program = nullptr;
  std::vector<bpf_program*> wanted;
  bpf_object__for_each_program(program, object_) {
    const std::string_view name = bpf_program__name(program);
    const bool want = std::any_of(
        parts.begin(), parts.end(),
        [&](const std::string& part) { return name.find(part) != name.npos; });
    (void)bpf_program__set_autoload(program, want);
    if (want) wanted.push_back(program);
  }
  if (bpf_object__load(object_) != 0) Die("cannot load " + object);
  for (bpf_program* p : wanted) {
    bpf_link* link = bpf_program__attach(p);
    if (link == nullptr)
      Die(std::string("cannot attach ") + bpf_program__name(p));
    links_.push_back(link);
  }
}

AttachedObject::~AttachedObject() {
  for (bpf_link* link : links_) (void)bpf_link__destroy(link);
  bpf_object__close(object_);
}

bool ProvideTracefs() {
  constexpr const char* kPlace = "/sys/kernel/tracing";
  if (::access("/sys/kernel/tracing/events", F_OK) == 0) return true;
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tracefs", kPlace, "tracefs", 0, nullptr) == 0;
}

}  // namespace fodc::bench
