// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/process_numbers.h"

#include <bpf/bpf.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "bpf/records.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/bpf_object.h"
#include "fodc/kernel/objects.h"

namespace fodc::kernel {

Status ProcessNumbers::Load() {
  FODC_ASSIGN_OR_RETURN(BpfObject object,
                        BpfObject::Open("numbers", ObjectBytes("numbers")));
  object.Want("numbers_all");
  Result<LoadedObject> loaded = std::move(object).Load();
  // The kernel's type information was in memory.
  (void)::malloc_trim(0);
  if (!loaded.ok()) return loaded.status();
  link_ = UniqueFd(bpf_link_create(loaded->Program("numbers_all"), 0,
                                   BPF_TRACE_ITER, nullptr));
  return link_.ok() ? OkStatus() : ErrnoStatus(errno, "attach numbers_all");
}

Result<std::map<pid_t, pid_t>> ProcessNumbers::ReadAll() const {
  const UniqueFd run(bpf_iter_create(link_.get()));
  if (!run.ok()) return ErrnoStatus(errno, "run numbers_all");
  std::map<pid_t, pid_t> numbers;
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t n = ::read(run.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) return ErrnoStatus(errno, "run numbers_all");
    if (n == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  for (std::size_t at = 0; at + sizeof(fodc_number) <= text.size();
       at += sizeof(fodc_number)) {
    fodc_number number{};
    std::memcpy(&number, text.data() + at, sizeof number);
    numbers.emplace(number.readers, number.kernels);
  }
  return numbers;
}

Result<std::vector<pid_t>> ProcessNumbers::Of(
    std::span<const pid_t> processes) {
  if (space_ == ProcessNamespace::kFirst) {
    return std::vector<pid_t>(processes.begin(), processes.end());
  }
  if (space_ == ProcessNamespace::kNotOurs) {
    return FailedPrecondition("/proc shows another process namespace");
  }
  if (!link_.ok()) {
    const MonotonicTime now = clock_.Monotonic();
    if (!try_again_at_ || now >= *try_again_at_) {
      if (!kernel_.MayLoad().ok() || !kernel_.Types().ok()) {
        return std::vector<pid_t>();
      }
      refused_ = Load();
      if (!refused_.ok()) {
        LogWarn("kernel telemetry cannot tell processes by their numbers",
                {{"error", refused_}});
      }
      try_again_at_ = now + retry_interval_;
    }
    if (!refused_.ok()) return FailedPrecondition(refused_.message());
  }
  FODC_ASSIGN_OR_RETURN(const auto numbers, ReadAll());
  std::vector<pid_t> found;
  for (const pid_t process : processes) {
    const auto number = numbers.find(process);
    if (number != numbers.end()) found.push_back(number->second);
  }
  return found;
}

}  // namespace fodc::kernel
