// SPDX-License-Identifier: Apache-2.0
// An endpoint that does not answer, round after round. Pure.
#pragma once

#include <cstdint>

namespace fodc::detect {

// Not thread-safe; of one endpoint. One that never answered is not down: it may
// not have been started yet, or never exist.
class MissedRounds {
 public:
  explicit MissedRounds(int rounds) : rounds_(rounds) {}

  enum class Change : std::uint8_t { kNone, kDown, kBack };
  Change OnRound(bool has_answered) {
    if (has_answered) {
      const bool was_down = is_down();
      missed_ = 0;
      has_ever_answered_ = true;
      return was_down ? Change::kBack : Change::kNone;
    }
    if (!has_ever_answered_ || is_down()) return Change::kNone;
    ++missed_;
    return is_down() ? Change::kDown : Change::kNone;
  }

  // Whoever is to answer from now on is another one: its rounds are counted
  // anew, and it may take as many to start.
  void OnRestart() { missed_ = 0; }

  bool is_down() const { return missed_ >= rounds_; }
  int missed() const { return missed_; }  // at most `rounds`

 private:
  int rounds_;
  int missed_ = 0;
  bool has_ever_answered_ = false;
};

}  // namespace fodc::detect
