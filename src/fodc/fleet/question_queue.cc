// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/question_queue.h"

#include <algorithm>
#include <utility>

namespace fodc::fleet {

std::chrono::nanoseconds V1AnswerTime(const MetricsQuestion& question) {
  using std::chrono::seconds;
  if (!question.start || !question.end) return seconds(10);
  // In seconds: centuries of nanoseconds do not fit.
  const auto since_epoch = [](UnixTime t) {
    return std::chrono::duration_cast<seconds>(t.time_since_epoch());
  };
  return std::clamp<seconds>(
      since_epoch(*question.end) - since_epoch(*question.start) + seconds(5),
      seconds(0), std::chrono::minutes(5));
}

QuestionQueue::QuestionQueue(const Clock& clock, const Options& options,
                             std::function<void(const MetricsQuestion&)> send)
    : clock_(clock), options_(options), send_(std::move(send)) {}

void QuestionQueue::Ask(const MetricsQuestion& question, MonotonicTime deadline,
                        Callback done) {
  if (waiting_ >= options_.max_waiting) {
    done(ResourceExhausted("too many questions wait for this agent"));
    return;
  }
  ++waiting_;
  for (Round& round : rounds_) {
    // What was given up is answered late or never: no one joins it.
    const bool given_up = &round == &rounds_.front() && abandoned_;
    if (round.question == question && !given_up) {
      round.waiters.push_back({deadline, std::move(done)});
      ++stats_.shared;
      return;
    }
  }
  Round round;
  round.question = question;
  round.waiters.push_back({deadline, std::move(done)});
  rounds_.push_back(std::move(round));
  SendNext();
}

void QuestionQueue::SendNext() {
  if (open_ || rounds_.empty()) return;
  open_ = true;
  abandoned_ = false;
  asked_at_ = clock_.Monotonic();
  ++stats_.asked;
  send_(rounds_.front().question);
}

void QuestionQueue::OnAnswer(Answer answer) {
  if (!open_) {
    ++stats_.unasked;
    return;
  }
  if (abandoned_) ++stats_.late;
  Round round = std::move(rounds_.front());
  rounds_.pop_front();
  open_ = false;
  abandoned_ = false;
  waiting_ -= round.waiters.size();
  stats_.answered += round.waiters.size();
  SendNext();
  for (Waiter& w : round.waiters) w.done(answer);
}

MonotonicTime QuestionQueue::OnTick() {
  const MonotonicTime now = clock_.Monotonic();
  MonotonicTime next = MonotonicTime::max();
  std::vector<Callback> late;
  for (Round& round : rounds_) {
    std::erase_if(round.waiters, [&](Waiter& w) {
      if (w.deadline > now) {
        next = std::min(next, w.deadline);
        return false;
      }
      late.push_back(std::move(w.done));
      return true;
    });
  }
  waiting_ -= late.size();
  stats_.timed_out += late.size();
  // Rounds that nobody waits for and that were not asked need not be.
  for (auto it = rounds_.begin(); it != rounds_.end();) {
    const bool asked = open_ && it == rounds_.begin();
    if (asked && it->waiters.empty()) abandoned_ = true;
    it = !asked && it->waiters.empty() ? rounds_.erase(it) : std::next(it);
  }
  if (open_ && abandoned_) {
    const MonotonicTime forget = asked_at_ + options_.forget_owed;
    if (forget <= now) {
      rounds_.pop_front();
      open_ = false;
      abandoned_ = false;
      SendNext();
    } else {
      next = std::min(next, forget);
    }
  }
  for (Callback& done : late) {
    done(DeadlineExceeded("the agent did not answer in time"));
  }
  return next;
}

void QuestionQueue::Close(const Status& status) {
  std::deque<Round> rounds = std::exchange(rounds_, {});
  open_ = false;
  abandoned_ = false;
  waiting_ = 0;
  for (Round& round : rounds) {
    for (Waiter& w : round.waiters) w.done(status);
  }
}

}  // namespace fodc::fleet
