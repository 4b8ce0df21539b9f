// SPDX-License-Identifier: Apache-2.0
// The record of a death, made step by step so that a fault in one of them
// costs that step only. Everything is async-signal-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "disk_reserve.h"
#include "fodc/base/clock.h"
#include "memory_reserve.h"
#include "modules.h"
#include "record.h"
#include "record_buffer.h"
#include "thread_asker.h"

namespace fodc::guard {

// What was prepared when arming.
struct CrashPlan {
  std::string root;
  std::string component;
  std::string cleaned_component;
  Metadata metadata;
  std::size_t max_artifacts = 0;
  std::chrono::milliseconds thread_wait{0};
  const Clock* clock = nullptr;
  MonotonicTime armed_at;
  DiskReserve reserve;
  MemoryReserve memory_reserve;
  // One is shown, the other is made anew.
  ModuleTable tables[2];
  std::atomic<const ModuleTable*> modules{nullptr};
  // Prepared, and the signal is taken.
  ThreadAsker* threads = nullptr;
  int thread_signal = 0;
  char* memory = nullptr;  // kMaxRecordBytes
};

struct Death {
  int signal = 0;  // 0: std::terminate
  siginfo_t info{};
  void* context = nullptr;      // of the signal
  std::string_view terminated;  // by what, without a signal
};

class DeathRecord {
 public:
  explicit DeathRecord(CrashPlan* plan)
      : plan_(*plan), out_(plan->memory, kMaxRecordBytes) {}

  // Runs the steps that have not run yet, to the end. Called again, on the
  // same thread, after a fault within: what that step wrote is taken back, and
  // it goes on with the next.
  void Run(const Death& death);

 private:
  enum Step : int {
    kMakeDirectory,
    kWalkOwnStack,
    kWalkOuterStack,
    kAskThreads,
    kMetadata,
    kIdentity,
    kStacks,
    kTime,
    kBreadcrumbs,
    kCause,
    kThreads,
    kEnd,
    kWrite,
    kPrune,
    kDone,
  };
  void RunStep(Step step, const Death& death);
  void GiveUp(Step step);

  void MakeDirectory();
  void WalkOwnStack(const Death& death);
  void AppendOwnStack();
  void AppendValue(const Death& death);
  void AppendStacks(const Death& death);
  void AppendThreadHead(const AskedThread& t);
  void AppendCause(const Death& death);
  void AppendThreads();
  void AppendEnd();
  void Write();

  CrashPlan& plan_;
  RecordBuffer out_;
  int step_ = kMakeDirectory;
  bool is_in_step_ = false;
  std::size_t mark_ = 0;
  std::uint32_t failed_steps_ = 0;  // a bit each
  UnixTime at_;
  bool has_directory_ = false;
  char id_[256] = {};
  std::size_t id_bytes_ = 0;
  std::uintptr_t frames_[AskedThread::kMaxFrames] = {};
  std::size_t frame_count_ = 0;
  // Of a stack with more: who began it.
  std::uintptr_t outer_[16] = {};
  std::size_t outer_count_ = 0;
  std::size_t between_ = 0;
};

}  // namespace fodc::guard
