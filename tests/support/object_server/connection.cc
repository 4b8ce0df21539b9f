// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/connection.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <tuple>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kMaxHeadBytes = 64 * 1024;
// What is read on after a refusal, so that the client sees the answer and not
// a reset; with more to come the connection ends.
constexpr std::uint64_t kSkipBytes = 64u << 20;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace

Connection::Connection(tcp::socket socket, Shared shared)
    : socket_(std::move(socket)), shared_(shared), buffer_(16 * 1024) {
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
}

asio::awaitable<void> Connection::Run(std::shared_ptr<Connection> self) {
  (void)self;
  while (!close_ && co_await ReadHead()) {
    const Status parsed = ParseHead(head_, &request_);
    if (!parsed.ok()) {
      const std::string text =
          StrCat("HTTP/1.1 400 Bad Request\r\nContent-Length: ",
                 parsed.message().size(), "\r\nConnection: close\r\n\r\n",
                 parsed.message());
      co_await Write(text);
      break;
    }
    body_left_ = request_.content_length.value_or(0);
    continue_due_ = request_.expects_continue && body_left_ > 0;
    close_ = !request_.keep_alive;
    bool go_on = false;
    if (request_.path.starts_with(kControlPath)) {
      go_on = co_await ServeControl();
    } else {
      go_on = co_await Serve();
    }
    if (!go_on) break;
  }
  boost::system::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
}

asio::awaitable<bool> Connection::Fill() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size()) {
    if (begin_ == 0) co_return false;
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const auto [error, n] = co_await socket_.async_read_some(
      asio::buffer(buffer_.data() + end_, buffer_.size() - end_), kTuple);
  if (error) co_return false;
  end_ += n;
  co_return true;
}

asio::awaitable<bool> Connection::ReadHead() {
  while (true) {
    const std::string_view there(buffer_.data() + begin_, end_ - begin_);
    const std::size_t stop = there.find("\r\n\r\n");
    if (stop != std::string_view::npos) {
      head_.assign(there.substr(0, stop + 4));
      begin_ += stop + 4;
      co_return true;
    }
    if (there.size() >= kMaxHeadBytes) co_return false;
    if (there.size() == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    if (!co_await Fill()) co_return false;
  }
}

asio::awaitable<bool> Connection::SendContinue() {
  if (!std::exchange(continue_due_, false)) co_return true;
  co_return co_await Write("HTTP/1.1 100 Continue\r\n\r\n");
}

asio::awaitable<bool> Connection::ReadBody(Body* body) {
  if (!co_await SendContinue()) co_return false;
  // Few connections need a buffer for large bodies.
  if (body_left_ > buffer_.size() && buffer_.size() < kBufferBytes) {
    buffer_.resize(kBufferBytes);
  }
  while (body_left_ > 0) {
    if (begin_ == end_ && !co_await Fill()) co_return false;
    const auto n = static_cast<std::size_t>(
        std::min<std::uint64_t>(body_left_, end_ - begin_));
    const std::string_view bytes(buffer_.data() + begin_, n);
    if (body != nullptr && !body->Append(bytes).ok()) co_return false;
    begin_ += n;
    body_left_ -= n;
  }
  co_return true;
}

asio::awaitable<bool> Connection::SkipBody() {
  if (request_.chunked || body_left_ > kSkipBytes) {
    close_ = true;
  } else if (std::exchange(continue_due_, false)) {
    // The client waits to be asked for the body, or sends it after a while:
    // what comes next is not to be told.
    close_ = true;
  } else if (body_left_ > 0) {
    co_return co_await ReadBody(nullptr);
  }
  co_return true;
}

asio::awaitable<bool> Connection::ServeControl() {
  constexpr std::uint64_t kMaxControlBytes = 16u << 20;
  if (body_left_ > kMaxControlBytes) co_return false;
  Body body(nullptr, body_left_, Digests(0));
  if (!co_await ReadBody(&body)) co_return false;
  Response response = HandleControl(request_, body.text(), shared_.controls,
                                    shared_.world, shared_.service);
  const Call call(request_);
  co_return co_await Send(call, &response, nullptr);
}

asio::awaitable<void> Connection::Wait(std::chrono::nanoseconds time) {
  asio::steady_timer timer(socket_.get_executor());
  timer.expires_after(
      std::chrono::duration_cast<asio::steady_timer::duration>(time));
  co_await timer.async_wait(kTuple);
}

void Connection::Reset() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

// What is to be answered; nothing if the connection is to end without.
asio::awaitable<std::optional<Response>> Connection::Answer(
    Call* call, const FaultRule* fault) {
  Service& service = *shared_.service;
  std::optional<Response> early;
  if (fault != nullptr) early = FaultAnswer(*fault, *call, &service);
  if (!early) early = service.Check(call);
  if (!early && request_.chunked) {
    early = service.Refuse(*call, 411, service.CodeOf(411),
                           "You must provide the Content-Length HTTP header.");
  }
  if (early) {
    if (!co_await SkipBody()) co_return std::nullopt;
  } else {
    Digests digests =
        call->going_on ? std::move(*call->going_on) : Digests(call->digests);
    call->body = std::make_unique<Body>(
        call->keep_body ? &shared_.world->vault : nullptr, body_left_,
        std::move(digests));
    if (!co_await ReadBody(call->body.get())) co_return std::nullopt;
  }
  const auto latency = shared_.controls->latency;
  if (latency.count() > 0) co_await Wait(latency);
  if (early) co_return early;
  if (fault != nullptr && fault->action == FaultAction::kResetBefore) {
    co_return std::nullopt;
  }
  co_return service.Finish(call);
}

asio::awaitable<bool> Connection::Serve() {
  Call call(request_);
  Controls& controls = *shared_.controls;
  call.now = SystemClock().Unix() + controls.skew;
  call.request_id = FreshId();
  shared_.service->Route(&call);
  controls.ledger.Begin();
  // A copy: the rules may be replaced while the request is under way.
  std::optional<FaultRule> fault;
  if (const FaultRule* rule =
          MatchFault(&controls.faults, call.operation, call.key)) {
    fault = *rule;
    if (rule->action == FaultAction::kRepeatPage) {
      call.trouble = ListTrouble::kRepeat;
    } else if (rule->action == FaultAction::kPartStatus) {
      call.part_status = rule->status;
    } else if (rule->action == FaultAction::kEndlessList) {
      call.trouble = ListTrouble::kEndless;
    }
  }
  const FaultRule* f = fault ? &*fault : nullptr;
  const std::uint64_t sent = body_left_;
  std::optional<Response> response = co_await Answer(&call, f);
  const bool cut = f != nullptr && (f->action == FaultAction::kResetBefore ||
                                    f->action == FaultAction::kResetAfter);
  if (!response || cut) {
    controls.ledger.End(call.operation, call.key, 0, sent);
    Reset();
    co_return false;
  }
  shared_.service->Decorate(call, &*response);
  const std::uint64_t bytes =
      sent > 0 ? sent : (response->head_length ? 0 : response->ContentLength());
  const int status = response->status;
  const bool whole = co_await Send(call, &*response, f);
  controls.ledger.End(call.operation, call.key, status, bytes);
  co_return whole;
}

asio::awaitable<bool> Connection::Write(std::string_view bytes) {
  const auto [error, n] = co_await asio::async_write(
      socket_, asio::buffer(bytes.data(), bytes.size()), kTuple);
  (void)n;
  co_return !error;
}

asio::awaitable<bool> Connection::Send(const Call& call, Response* r,
                                       const FaultRule* fault) {
  const bool no_body = r->status == 204 || r->head_length.has_value() ||
                       call.request.method == "HEAD";
  out_.clear();
  out_.append("HTTP/1.1 ");
  out_.append(std::to_string(r->status));
  out_.push_back(' ');
  out_.append(ReasonOf(r->status));
  out_.append("\r\nDate: ");
  out_.append(HttpDate(SystemClock().Unix() + shared_.controls->skew));
  out_.append("\r\n");
  out_.append(r->headers);
  if (!r->content_type.empty()) {
    out_.append("Content-Type: ");
    out_.append(r->content_type);
    out_.append("\r\n");
  }
  if (r->status != 204) {
    out_.append("Content-Length: ");
    out_.append(std::to_string(r->ContentLength()));
    out_.append("\r\n");
  }
  out_.append(close_ ? "Connection: close\r\n\r\n" : "\r\n");
  std::uint64_t length = no_body ? 0 : r->ContentLength();
  bool cut = false;
  if (fault != nullptr && length > 0) {
    if (fault->action == FaultAction::kShortBody) {
      length /= 2;
      cut = true;
    } else if (fault->action == FaultAction::kCorrupt && !r->has_content) {
      r->body[length / 2] = static_cast<char>(~r->body[length / 2]);
    }
  }
  const bool slow = fault != nullptr && fault->action == FaultAction::kSlowBody;
  if (!r->has_content && !slow) {
    out_.append(r->body, 0, length);
    length = 0;
  }
  bool sent = true;
  if (length == 0 || slow || length > buffer_.size()) {
    sent = co_await Write(out_);
    out_.clear();
  }
  if (sent && length > 0) sent = co_await SendContent(*r, length, fault);
  co_return sent && !cut && !close_;
}

asio::awaitable<bool> Connection::SendContent(const Response& r,
                                              std::uint64_t length,
                                              const FaultRule* fault) {
  const bool slow = fault != nullptr && fault->action == FaultAction::kSlowBody;
  const bool corrupt =
      fault != nullptr && fault->action == FaultAction::kCorrupt;
  // Ten pieces a second.
  const std::uint64_t step =
      slow ? std::max<std::uint64_t>(1, fault->bytes_per_second / 10)
           : kBufferBytes;
  const std::uint64_t flipped = length / 2;
  for (std::uint64_t at = 0; at < length;) {
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(step, length - at));
    // Behind what `out_` still holds: the head and a small body are one write.
    const std::size_t start = out_.size();
    if (r.has_content) {
      out_.resize(start + n);
      r.content.Read(r.offset + at, out_.data() + start, n);
    } else {
      out_.append(r.body, at, n);
    }
    if (corrupt && flipped >= at && flipped < at + n) {
      char& byte = out_[start + (flipped - at)];
      byte = static_cast<char>(~byte);
    }
    if (!co_await Write(out_)) co_return false;
    out_.clear();
    at += n;
    if (slow && at < length) co_await Wait(std::chrono::milliseconds(100));
  }
  co_return true;
}

}  // namespace fodc::object_server
