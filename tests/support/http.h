// SPDX-License-Identifier: Apache-2.0
// HTTP for tests: a plain GET, and bytes on a socket for what no client sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/unique_fd.h"

namespace fodc::test {

struct HttpAnswer {
  int status = 0;  // 0: no answer; `error` says why
  std::string body;
  std::string error;
  std::map<std::string, std::string> headers;  // names in lower case
  double seconds = 0;
};

// One request on a connection of its own. With `gzip`, the body is asked for
// compressed and given decoded.
HttpAnswer Get(const std::string& url,
               std::chrono::milliseconds limit = std::chrono::seconds(10),
               const std::vector<std::string>& headers = {}, bool gzip = false);
HttpAnswer Request(const std::string& method, const std::string& url,
                   const std::string& body,
                   std::chrono::milliseconds limit = std::chrono::seconds(10));

// "a b&c" as it stands in a query.
std::string UrlEncode(std::string_view text);

// A TCP connection to a port of 127.0.0.1.
class RawConnection {
 public:
  // Not connected if nobody listens.
  explicit RawConnection(std::uint16_t port);
  bool connected() const { return fd_.ok(); }
  // False when the other side has closed.
  bool Send(std::string_view bytes);
  // Until the other side closes, `until` is seen or the time is over.
  std::string Receive(std::chrono::milliseconds limit,
                      std::string_view until = {});
  // Whether the other side closed within `limit` (what it sends is dropped).
  bool ClosedWithin(std::chrono::milliseconds limit);

 private:
  UniqueFd fd_;
};

// One sample of a text page.
struct TextSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
  std::string timestamp;  // as written; empty without one
};

// A plain reader of exposition text, sharing nothing with room `exposition`.
// Lines that it cannot read are left out and counted in *bad, if given.
std::vector<TextSample> ReadPage(std::string_view page, int* bad = nullptr);

// The samples of one family member whose labels include `labels`.
std::vector<TextSample> Find(const std::vector<TextSample>& page,
                             std::string_view name,
                             const std::map<std::string, std::string>& labels);
// The value of the first of them; NaN if there is none.
double ValueOf(std::string_view page, std::string_view name,
               const std::map<std::string, std::string>& labels = {});

}  // namespace fodc::test
