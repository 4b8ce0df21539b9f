// SPDX-License-Identifier: Apache-2.0
// For tests: evidence without a disk, and a reader that takes what it likes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/link/evidence_source.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {

inline std::string EventIdAt(int second) {
  return evidence::MakeEventId(ParseRfc3339("2026-11-23T01:02:03Z").value() +
                               std::chrono::seconds(second));
}

// Bytes of which no two stretches are alike.
inline std::string Noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t x = 12345;
  for (char& c : out) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return out;
}

// Files in memory. What is opened stays readable when it is removed.
class FakeEvidence final : public EvidenceSource {
 public:
  explicit FakeEvidence(net::EventLoop& loop) : loop_(loop) {}

  // The newest event first, as the store lists them.
  void Add(int second, const std::map<std::string, std::string>& profiles) {
    fleet::ListedEvent event;
    event.id = EventIdAt(second);
    event.meta.captured_at = evidence::ParseEventId(event.id).value();
    event.meta.source_endpoint = "http://localhost:6060";
    event.meta.rss_bytes = 1000;
    event.meta.revision = 1;
    for (const auto& [type, text] : profiles) {
      const std::string name = type + ".pprof";
      event.meta.profiles.push_back(
          {.type = type, .filename = name, .size_bytes = text.size()});
      files[event.id + "/" + name] = std::make_shared<const std::string>(text);
      event.bytes += text.size();
    }
    events.insert(events.begin(), std::move(event));
  }
  void Remove(const std::string& id) {
    std::erase_if(events, [&](const auto& e) { return e.id == id; });
    std::erase_if(files,
                  [&](const auto& f) { return f.first.starts_with(id); });
  }

  void List(ListCallback done) override {
    ++lists;
    Post([this, done = std::move(done)]() mutable {
      if (!list_error.ok()) {
        done(list_error);
      } else {
        done(events);
      }
    });
  }
  void Open(const EvidenceWish& wish, OpenCallback done) override {
    ++opens;
    Post([this, wish, done = std::move(done)]() mutable {
      done(OpenNow(wish));
    });
  }
  void Pin(const std::string& id, bool pinned, DoneCallback done) override {
    Post([this, id, pinned, done = std::move(done)]() mutable {
      for (fleet::ListedEvent& e : events) {
        if (e.id != id) continue;
        e.is_pinned = pinned;
        done(OkStatus());
        return;
      }
      done(NotFound("no event " + id));
    });
  }
  const std::string& root() const override { return directory; }

  std::vector<fleet::ListedEvent> events;
  std::map<std::string, std::shared_ptr<const std::string>> files;
  std::string directory = "/data/pressure-profiles";
  Status list_error;
  bool hangs = false;  // reads never come back
  // Reads fail from there on.
  std::optional<std::uint64_t> fails_at;
  int lists = 0;
  int opens = 0;
  int open_now = 0;
  std::uint64_t bytes_read = 0;

 private:
  class Reader final : public EvidenceReader {
   public:
    Reader(FakeEvidence* owner, std::shared_ptr<const std::string> text,
           std::uint64_t offset)
        : owner_(owner), text_(std::move(text)), offset_(offset) {
      ++owner_->open_now;
    }
    ~Reader() override { --owner_->open_now; }
    void Read(std::size_t max_bytes, ReadCallback done) override {
      if (owner_->hangs) {
        held_ = std::move(done);
        return;
      }
      owner_->Post([this, alive = std::weak_ptr<bool>(alive_), max_bytes,
                    done = std::move(done)]() mutable {
        if (alive.expired()) return;
        if (owner_->fails_at && offset_ >= *owner_->fails_at) {
          done(DataLoss("the disk has a hole here"));
          return;
        }
        std::string bytes = text_->substr(offset_, max_bytes);
        offset_ += bytes.size();
        owner_->bytes_read += bytes.size();
        done(std::move(bytes));
      });
    }

   private:
    FakeEvidence* const owner_;
    const std::shared_ptr<const std::string> text_;
    std::uint64_t offset_;
    ReadCallback held_;
    const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };

  Result<OpenedEvidence> OpenNow(const EvidenceWish& wish) {
    const std::string name = wish.profile_type.empty()
                                 ? wish.artifact
                                 : wish.profile_type + ".pprof";
    OpenedEvidence opened;
    opened.info.revision = 1;
    if (name.empty()) {
      opened.reader = std::make_unique<Reader>(
          this, std::make_shared<const std::string>("capsule " + wish.event_id),
          0);
      return opened;
    }
    const auto it = files.find(wish.event_id + "/" + name);
    if (it == files.end()) return NotFound("no " + name);
    if (wish.offset > it->second->size()) return OutOfRange("behind the end");
    opened.info.size_bytes = it->second->size();
    opened.info.sha256 = std::string(64, 'a');
    opened.reader = std::make_unique<Reader>(this, it->second, wish.offset);
    return opened;
  }

  void Post(net::Task task) {
    loop_.Post([alive = std::weak_ptr<bool>(alive_),
                task = std::move(task)]() mutable {
      if (!alive.expired()) task();
    });
  }

  net::EventLoop& loop_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// One fetch, as the API would have it.
class TestDownload {
 public:
  TestDownload(fleet::EvidenceCommander& server, const fleet::AgentId& agent,
               const fleet::EvidenceQuestion& question,
               std::chrono::nanoseconds patience = std::chrono::seconds(60)) {
    server.Fetch(agent, question, SystemClock().Monotonic() + patience,
                 [state = state_](Result<fleet::EvidenceAnswer> answer) {
                   ++state->answers;
                   if (!answer.ok()) {
                     state->end = answer.status();
                     return;
                   }
                   state->answer = *std::move(answer);
                   state->answer->body->Start([] {});
                 });
  }

  bool has_begun() const { return state_->answer.has_value(); }
  const fleet::EvidenceAnswer& answer() const { return *state_->answer; }
  int answers() const { return state_->answers; }
  const std::string& bytes() const { return state_->bytes; }
  const std::optional<Status>& end() const { return state_->end; }

  // One step of whoever reads; true when it is over.
  bool Pull() {
    if (state_->end) return true;
    if (!has_begun()) return false;
    std::string piece;
    const auto step = state_->answer->body->Next(&piece, 64u << 10);
    state_->bytes += piece;
    if (!step.ok()) {
      state_->end = step.status();
    } else if (*step == net::BodyStep::kDone) {
      state_->end = OkStatus();
    }
    return state_->end.has_value();
  }
  void Leave() { state_->answer.reset(); }

 private:
  struct State {
    std::optional<fleet::EvidenceAnswer> answer;
    std::string bytes;
    std::optional<Status> end;
    int answers = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace fodc::link
