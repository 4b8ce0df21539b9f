// SPDX-License-Identifier: Apache-2.0
// One body of HTTP straight into an artifact: a profile, or a page. What it
// takes of memory does not grow with the body.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/event_meta.h"
#include "fodc/evidence/event_writer.h"
#include "fodc/net/http_client.h"

namespace fodc::capture {

struct Fetch {
  std::string step{};
  std::string file{};
  // One after the other while the answer is 404; passwords are not told on.
  std::vector<std::string> urls{};
  std::string unix_socket{};  // as in net::HttpClientRequest
  enum class Content : std::uint8_t {
    kAnything,
    kProfile,  // ProfileCheck
    kText,     // ProfileCheck, of text
  };
  Content content = Content::kAnything;
  std::uint64_t max_bytes = 0;
  std::chrono::nanoseconds deadline{};  // for all of `urls` together
  // Asked when an answer's first byte is there: whether whoever was to answer
  // is still there, and it is not somebody else's. Empty: not asked. On the
  // client's thread.
  std::function<Status()> check_peer{};
};

struct Fetched {
  evidence::EventStep receipt{};
  // It is not whole, and may be had later: too slow, cut short, an error of the
  // server's. Not what nobody answers for or does not know (4xx).
  bool may_come_later = false;
};

// Blocks until the body is in its file, or until it is known that it will not
// be. The receipt is
//   complete   the whole body,
//   cut        what came of it: deadline, stop, limit, connection broken in
//              mid-body,
//   failed     without a file: no answer, another one than 200, not the
//              content that was asked for, or no room on the disk.
// `client`'s thread blocks on the disk meanwhile.
Fetched RunFetch(const Fetch& fetch, net::HttpClient& client,
                 evidence::EventWriter& writer, const std::stop_token& stop,
                 const Clock& clock);

}  // namespace fodc::capture
