// SPDX-License-Identifier: Apache-2.0
// For this room only: the bytes of one fetch between the session that gets them
// from an agent and the body that whoever asked for them pulls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/net/http_message.h"

namespace fodc::link {

// The loop only. The session bounds what it pushes (see buffered()).
class EvidencePipe {
 public:
  // `expected`: bytes to come; nothing: not known. Another number of them is a
  // failure. `clock` must outlive it.
  EvidencePipe(const Clock& clock, std::optional<std::uint64_t> expected);

  // --- The session's end. Without effect once it is over.
  void Push(std::string bytes);
  void End();
  void Fail(const Status& status);
  bool is_over() const { return is_over_; }
  std::size_t buffered() const { return buffered_; }
  std::uint64_t taken() const { return received_ - buffered_; }
  // Since when the reader waits; nothing: it does not.
  std::optional<MonotonicTime> hungry_since() const { return hungry_since_; }
  // What the session wants to know: bytes were taken; or nobody wants more. Not
  // called any more once it is over.
  void Listen(std::function<void()> taken, std::function<void()> abandoned);

  // --- The reader's end, to be made once.
  static std::unique_ptr<net::BodySource> Body(
      std::shared_ptr<EvidencePipe> pipe);

 private:
  class PipeBody;
  Result<net::BodyStep> Next(std::string* piece, std::size_t max_bytes);
  void Abandon();
  void Wake();

  const Clock& clock_;
  const std::optional<std::uint64_t> expected_;
  std::deque<std::string> pieces_;
  std::size_t offset_ = 0;  // taken of the first one
  std::size_t buffered_ = 0;
  std::uint64_t received_ = 0;
  bool is_over_ = false;
  Status failure_;
  std::optional<MonotonicTime> hungry_since_;
  std::function<void()> wake_;
  std::function<void()> taken_;
  std::function<void()> abandoned_;
};

}  // namespace fodc::link
