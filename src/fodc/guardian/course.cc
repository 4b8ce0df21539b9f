// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/course.h"

#include <algorithm>

namespace fodc::guardian {
namespace {

// A level is left at 95 % of where it is entered.
std::uint64_t LeaveAt(std::uint64_t line) { return line - line / 20; }

}  // namespace

void Course::Begin(MonotonicTime started) {
  started_ = started;
  is_captured_ = false;
  is_cooling_ = false;
  first_over_.reset();
  is_suppressed_ = false;
  term_at_.reset();
  is_grace_over_ = false;
  was_killed_ = false;
  forecast_.Reset();
}

bool Course::End() {
  const bool was_captured = is_captured_;
  Begin({});
  return was_captured;
}

Orders Course::OnSample(const Sample& sample) {
  Orders orders;
  forecast_.Add(sample.at, sample.bytes);
  Capture(sample, &orders);
  Stop(sample, &orders);
  return orders;
}

Orders Course::OnWall(const Sample& sample) {
  Orders orders;
  forecast_.Add(sample.at, sample.bytes);
  if (!term_at_ && !is_suppressed_) Ask(sample, &orders);
  return orders;
}

void Course::Capture(const Sample& sample, Orders* orders) {
  const std::uint64_t line = sample.lines.capture;
  if (line == 0) return;
  if (sample.bytes < LeaveAt(line)) {
    orders->calm = is_captured_;
    is_captured_ = false;
    is_cooling_ = false;
    return;
  }
  if (sample.bytes < line || is_captured_) return;
  if (captured_at_ && sample.at - *captured_at_ < rules_.capture_cooldown) {
    orders->no_capture = !is_cooling_;
    is_cooling_ = true;
    return;
  }
  orders->capture = true;
  is_captured_ = true;
  captured_at_ = sample.at;
}

void Course::Stop(const Sample& sample, Orders* orders) {
  const std::uint64_t line = sample.lines.term;
  if (line == 0) return;
  const bool is_over = sample.bytes >= line;
  if (term_at_) {
    if (!is_grace_over_ && sample.at - *term_at_ >= rules_.grace) {
      is_grace_over_ = true;
      orders->grace_over = true;
      orders->is_still_over = is_over;
    }
    const std::uint64_t kill = sample.lines.kill;
    if (is_grace_over_ && !was_killed_ && kill != 0 && sample.bytes >= kill) {
      was_killed_ = true;
      orders->kill = true;
    }
    return;
  }
  if (is_suppressed_) {
    is_suppressed_ = sample.bytes >= LeaveAt(line);
    first_over_.reset();
    return;
  }
  if (!is_over) {
    first_over_.reset();
  } else if (!first_over_) {
    first_over_ = sample.at;
  } else if (sample.at - *first_over_ >= kConfirmAfter) {
    Ask(sample, orders);
  }
}

void Course::Ask(const Sample& sample, Orders* orders) {
  if (crash_loop_.IsTripped(sample.at)) {
    is_suppressed_ = true;
    orders->suppressed = true;
    return;
  }
  term_at_ = sample.at;
  orders->term = true;
  // The record of a stop is wanted whatever the cooldown says.
  orders->capture |= !is_captured_;
  is_captured_ = true;
  captured_at_ = sample.at;
}

std::chrono::nanoseconds Course::Wait(const Sample& sample) const {
  const std::uint64_t next =
      sample.lines.Above(sample.bytes, sample.limit_bytes);
  const CadenceOptions cadence{.shortest = kShortestWait,
                               .longest = rules_.longest_wait};
  std::chrono::nanoseconds wait = NextWait(
      cadence, sample.bytes, next, forecast_.fastest_bytes_per_second());
  if (first_over_ && !term_at_ && !is_suppressed_) {
    wait = std::min<std::chrono::nanoseconds>(
        wait, *first_over_ + kConfirmAfter - sample.at);
  }
  if (term_at_ && !is_grace_over_)
    wait = std::min(wait, *term_at_ + rules_.grace - sample.at);
  return std::max(wait, std::chrono::nanoseconds(0));
}

}  // namespace fodc::guardian
