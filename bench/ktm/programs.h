// SPDX-License-Identifier: Apache-2.0
// The programs that bench_ktm compares with, attached while the object lives.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct bpf_object;
struct bpf_link;

namespace fodc::bench {

class AttachedObject {
 public:
  // Of `plain` or `empty`, those programs whose name holds one of `parts`; an
  // error is told and ends the program.
  AttachedObject(const std::string& object,
                 const std::vector<std::string>& parts);
  ~AttachedObject();
  AttachedObject(const AttachedObject&) = delete;
  AttachedObject& operator=(const AttachedObject&) = delete;

 private:
  bpf_object* object_ = nullptr;
  std::vector<bpf_link*> links_;
};

// Classic tracepoints are found in tracefs: mounts it, for this process alone,
// if it is not there. False if that is not permitted.
bool ProvideTracefs();

}  // namespace fodc::bench
