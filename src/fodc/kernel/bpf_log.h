// SPDX-License-Identifier: Apache-2.0
// libbpf's words, kept instead of printed.
#pragma once

#include <string>

namespace fodc::kernel {

// While it lives, what libbpf warns of on this thread is kept here; on other
// threads, and after it, libbpf is silent.
class BpfLog {
 public:
  BpfLog();
  ~BpfLog();
  BpfLog(const BpfLog&) = delete;
  BpfLog& operator=(const BpfLog&) = delete;

  // The line that tells people most: the verifier's last words, if there are
  // any, else libbpf's first. At most 300 bytes; may be empty.
  std::string Summary() const;

 private:
  std::string text_;
  std::string* outer_;
};

}  // namespace fodc::kernel
