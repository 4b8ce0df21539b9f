// SPDX-License-Identifier: Apache-2.0
// ProfileLoop's part that concerns one connection: its request, and answers
// that are short.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "fodc/base/strings.h"
#include "profile_loop.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kBearer = "Bearer ";
// A client that is answered early may still be sending: closing at once would
// take the answer from it.
constexpr auto kDrainTime = 1s;
constexpr std::size_t kDrainBytes = 256 * 1024;

// Takes as long whichever byte is the first to differ.
bool IsSame(std::string_view given, std::string_view wanted) {
  if (given.size() != wanted.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ wanted[i]);
  }
  return difference == 0;
}

bool IsProfile(ProfileEndpoint e) {
  return e == ProfileEndpoint::kHeap || e == ProfileEndpoint::kThreads ||
         e == ProfileEndpoint::kAllocator;
}

}  // namespace

void ProfileLoop::Read(Connection* c) {
  std::array<char, 4096> buffer;
  const ssize_t n =
      recv(c->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    c->stage = Stage::kOver;
    return;
  }
  c->input.append(buffer.data(), static_cast<std::size_t>(n));
  if (c->head_bytes == 0) {
    const std::size_t end = c->input.find(kHeadEnd);
    if (end == std::string::npos ||
        end + kHeadEnd.size() > kMaxRequestHeadBytes) {
      if (c->input.size() > kMaxRequestHeadBytes) {
        Answer(c, 431,
               StrCat("a request has at most ", kMaxRequestHeadBytes,
                      " bytes of headers\n"));
      }
      return;
    }
    c->head_bytes = end + kHeadEnd.size();
    const int status = ParseHttpRequest(
        std::string_view(c->input).substr(0, c->head_bytes), &c->request);
    if (status != 200) {
      Answer(c, status, StrCat(HttpStatusText(status), "\n"),
             status == 405 ? "Allow: GET\r\n" : "");
      return;
    }
  }
  if (c->input.size() - c->head_bytes >= c->request.body_bytes) OnRequest(c);
}

void ProfileLoop::OnRequest(Connection* c) {
  std::string_view given = c->request.authorization;
  if (!options_.token.empty() &&
      !(ConsumePrefix(&given, kBearer) && IsSame(given, options_.token))) {
    return Answer(c, 401, "a token is needed\n",
                  "WWW-Authenticate: Bearer\r\n");
  }
  const auto endpoint = FindProfileEndpoint(c->request.path);
  if (!endpoint) return Answer(c, 404, "see /debug/pprof/\n");
  if (c->request.is_post && *endpoint != ProfileEndpoint::kSymbol) {
    return Answer(c, 405, "only GET\n", "Allow: GET\r\n");
  }
  if (IsProfile(*endpoint)) {
    // Tried for each request alone: the host may be writing one itself.
    if (!turn_) {
      turn_.emplace();
      if (turn_->is_ours()) {
        c->endpoint = *endpoint;
        c->stage = Stage::kStreaming;
        return;
      }
      turn_.reset();
    }
    return Answer(c, 503, "another profile is being written\n",
                  "Retry-After: 1\r\n");
  }
  if (*endpoint == ProfileEndpoint::kCmdline) {
    const Result<std::string> text = CommandLine();
    if (!text.ok()) return Answer(c, 500, text.status().message() + "\n");
    return Answer(c, 200, *text);
  }
  if (*endpoint == ProfileEndpoint::kIndex) {
    return Answer(c, 200, ProfileIndex());
  }
  const std::string_view body = c->input;
  Answer(c, 200,
         SymbolNames(c->request.is_post
                         ? body.substr(c->head_bytes, c->request.body_bytes)
                         : std::string_view(c->request.query)));
}

void ProfileLoop::Answer(Connection* c, int status, std::string_view text,
                         std::string_view more_headers) {
  Counter* const counter = status == 200   ? counters_.served
                           : status == 503 ? counters_.busy
                           : status < 500  ? counters_.refused
                                           : counters_.failed;
  if (counter != nullptr) counter->Add();
  c->output = StrCat(
      "HTTP/1.1 ", status, " ", HttpStatusText(status),
      "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
      text.size(),
      "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n",
      more_headers, "Connection: close\r\n\r\n", text);
  c->stage = Stage::kWriting;
  c->deadline = clock_.Monotonic() + options_.response_timeout;
  Write(c);
}

void ProfileLoop::Write(Connection* c) {
  const ssize_t n = send(c->fd.get(), c->output.data(), c->output.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    c->stage = Stage::kOver;
    return;
  }
  c->output.erase(0, static_cast<std::size_t>(n));
  if (c->output.empty()) BeginDrain(c);
}

void ProfileLoop::BeginDrain(Connection* c) {
  (void)shutdown(c->fd.get(), SHUT_WR);
  c->stage = Stage::kDraining;
  c->deadline = clock_.Monotonic() + kDrainTime;
}

void ProfileLoop::Drain(Connection* c) {
  std::array<char, 4096> buffer;
  const ssize_t n =
      recv(c->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) c->drained_bytes += static_cast<std::size_t>(n);
  if (n <= 0 || c->drained_bytes > kDrainBytes) c->stage = Stage::kOver;
}

}  // namespace fodc::guard
