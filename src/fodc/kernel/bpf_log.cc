// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/bpf_log.h"

#include <bpf/libbpf.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

thread_local std::string* current = nullptr;

constexpr std::size_t kMaxKeptBytes = 64 * 1024;

// NOLINTNEXTLINE(cert-dcl50-cpp): the signature is libbpf's
int Keep(enum libbpf_print_level level, const char* format, va_list args) {
  if (current == nullptr || level > LIBBPF_WARN ||
      current->size() > kMaxKeptBytes) {
    return 0;
  }
  std::array<char, 8192> line;
  const int n = std::vsnprintf(line.data(), line.size(), format, args);
  if (n > 0) current->append(line.data());
  return n;
}

}  // namespace

BpfLog::BpfLog() : outer_(current) {
  libbpf_set_print(Keep);
  current = &text_;
}

BpfLog::~BpfLog() { current = outer_; }

std::string BpfLog::Summary() const {
  std::string_view first;
  std::string_view verifier;
  bool inside = false;
  for (std::string_view line : Split(text_, '\n')) {
    line = Trim(line);
    if (line.empty()) continue;
    if (first.empty()) first = line;
    if (line.find("BEGIN PROG LOAD LOG") != line.npos) {
      inside = true;
    } else if (line.find("END PROG LOAD LOG") != line.npos) {
      inside = false;
    } else if (inside && !line.starts_with("processed ") &&
               !line.starts_with("verification time") &&
               !line.starts_with("stack depth")) {
      verifier = line;
    }
  }
  return std::string((verifier.empty() ? first : verifier).substr(0, 300));
}

}  // namespace fodc::kernel
