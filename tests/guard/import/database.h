// SPDX-License-Identifier: Apache-2.0
// The database of the program in docs/operation/guard.md: what it does stands
// in the variable DATABASE.
#pragma once

#include <fodc/base/status.h>
#include <fodc/guard/event.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

inline std::atomic<bool> is_stop_asked = false;
inline void AskToStop() { is_stop_asked = true; }

inline void LogEvent(const fodc::guard::Event& event) {
  std::string line(event.message);
  for (const fodc::guard::EventField& f : event.fields) {
    line.append(" ").append(f.key).append("=").append(f.value);
  }
  (void)std::fprintf(stderr, "%s\n", line.c_str());
}

// Takes memory until it is asked to stop, at most 1 GiB.
inline bool Grow() {
  std::vector<std::vector<char>> held;
  while (!is_stop_asked && held.size() < 1024) {
    held.emplace_back(std::size_t{1} << 20, 'x');
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return is_stop_asked;
}

inline fodc::Status RunDatabase() {
  const char* text = std::getenv("DATABASE");
  const std::string_view what = text == nullptr ? "" : text;
  if (what == "crashes") (void)::raise(SIGSEGV);
  if (what.starts_with("grows") && !Grow()) std::abort();
  if (what.ends_with("fails")) return fodc::Internal("the listener failed");
  return fodc::OkStatus();
}
