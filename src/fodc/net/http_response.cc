// SPDX-License-Identifier: Apache-2.0
// The writing half of a connection.
#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <ctime>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/net/http_connection.h"

namespace fodc::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

// A text that is at hand, in pieces: for compressing it without holding the
// loop for long.
class TextSource final : public BodySource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  explicit TextSource(std::shared_ptr<const std::string> text)
      : shared_(std::move(text)) {}
  Result<BodyStep> Next(std::string* piece, std::size_t max_bytes) override {
    const std::string_view all = shared_ ? *shared_ : text_;
    piece->append(all.substr(at_, max_bytes));
    at_ += piece->size();
    return at_ < all.size() ? BodyStep::kMore : BodyStep::kDone;
  }

 private:
  std::string text_;
  std::shared_ptr<const std::string> shared_;
  std::size_t at_ = 0;
};

// No header ends early and none is smuggled in.
void AppendHeaderLine(std::string* out, std::string_view name,
                      std::string_view value) {
  const std::size_t start = out->size();
  *out += name;
  *out += ": ";
  *out += value;
  for (std::size_t i = start; i < out->size(); ++i) {
    char& c = (*out)[i];
    if (static_cast<unsigned char>(c) < ' ' && c != '\t') c = ' ';
  }
  *out += "\r\n";
}

}  // namespace

std::string_view ServerState::Date() {
  const std::int64_t second = ToUnixMillis(loop.clock().Unix()) / 1000;
  if (second != date_second_) {
    date_second_ = second;
    const auto time = static_cast<std::time_t>(second);
    std::tm tm{};
    ::gmtime_r(&time, &tm);
    char buffer[64];
    // The names are English whatever the locale: the programs set none.
    date_.assign(buffer, std::strftime(buffer, sizeof buffer,
                                       "%a, %d %b %Y %H:%M:%S GMT", &tm));
  }
  return date_;
}

ContentCoding Connection::ChooseCoding() {
  if (response_.coded_as != ContentCoding::kIdentity ||
      !response_.may_compress || !request_) {
    return ContentCoding::kIdentity;
  }
  const std::size_t bytes = response_.shared_body
                                ? response_.shared_body->size()
                                : response_.body.size();
  if (!source_ && bytes < server_.options.min_compress_bytes) {
    return ContentCoding::kIdentity;
  }
  return request_->coding;
}

// For a request that could not be read there is no request_.
void Connection::Respond(HttpResponse response) {
  if (state_ != State::kHandling) return;
  state_ = State::kSending;
  response_ = std::move(response);
  source_ = std::move(response_.source);
  compressor_.reset();
  header_sent_ = false;
  taking_ = {};
  taken_bytes_ = 0;
  unflushed_ = false;
  woken_ = false;
  chunked_ = is_http11_ && !response_.source_bytes;
  source_left_ = response_.source_bytes.value_or(0);
  if (server_.stopping || response_.close) keep_alive_ = false;
  if (response_.close) server_.refusals.Count(server_.loop.clock().Monotonic());

  const ContentCoding coding = ChooseCoding();
  if (coding != ContentCoding::kIdentity) {
    // From here on the response is one of that coding.
    response_.coded_as = coding;
    compressor_ = MakeCompressor(coding);
    if (!source_) {
      source_ = response_.shared_body
                    ? std::make_shared<TextSource>(response_.shared_body)
                    : std::make_shared<TextSource>(std::move(response_.body));
    }
  }
  const bool is_head = request_ && request_->method == "HEAD";
  if (!source_) {
    const std::string_view body = response_.shared_body
                                      ? std::string_view(*response_.shared_body)
                                      : std::string_view(response_.body);
    header_ = MakeHeader(body.size());
    rest_ = is_head ? std::string_view() : body;
    return SendSlice();
  }
  if (is_head) {
    source_.reset();
    header_ = MakeHeader(response_.source_bytes);
    rest_ = {};
    return SendSlice();
  }
  source_->Start([weak = weak_from_this(), number = request_number_] {
    if (const auto self = weak.lock()) self->OnWake(number);
  });
  Pump();
}

std::string Connection::MakeHeader(
    std::optional<std::size_t> content_length) const {
  std::string out = StrCat("HTTP/1.1 ", response_.status, ' ');
  const auto reason =
      http::obsolete_reason(static_cast<http::status>(response_.status));
  out.append(reason.data(), reason.size());
  out += "\r\n";
  if (!response_.content_type.empty()) {
    AppendHeaderLine(&out, "Content-Type", response_.content_type);
  }
  for (const auto& [name, value] : response_.headers) {
    AppendHeaderLine(&out, name, value);
  }
  if (response_.coded_as != ContentCoding::kIdentity) {
    AppendHeaderLine(&out, "Content-Encoding",
                     ContentCodingName(response_.coded_as));
  }
  if (response_.may_compress) {
    AppendHeaderLine(&out, "Vary", "Accept-Encoding");
  }
  AppendHeaderLine(&out, "Date", server_.Date());
  if (content_length) {
    AppendHeaderLine(&out, "Content-Length", StrCat(*content_length));
  } else if (chunked_) {
    AppendHeaderLine(&out, "Transfer-Encoding", "chunked");
  }
  if (!keep_alive_) {
    AppendHeaderLine(&out, "Connection", "close");
  } else if (!is_http11_) {
    AppendHeaderLine(&out, "Connection", "keep-alive");
  }
  out += "\r\n";
  return out;
}

template <typename Buffers>
void Connection::Write(const Buffers& buffers, Step next) {
  const HttpServerOptions& o = server_.options;
  const auto most =
      o.answer_grace +
      std::chrono::seconds(1) *
          (taken_bytes_ / std::max<std::size_t>(o.min_bytes_per_second, 1));
  const MonotonicTime began = server_.loop.clock().Monotonic();
  SetDeadline(
      std::min<std::chrono::nanoseconds>(o.write_timeout, most - taking_),
      &server_.stats.write_timeouts);
  asio::async_write(
      socket_, buffers,
      [self = shared_from_this(), next, began](
          const boost::system::error_code& ec, std::size_t bytes) {
        if (self->state_ == State::kClosed) return;
        self->taking_ += self->server_.loop.clock().Monotonic() - began;
        self->taken_bytes_ += bytes;
        self->server_.stats.bytes_sent += bytes;
        if (ec) return self->ClientLeft(true);
        ((*self).*next)();
      });
}
// For "100 Continue" (http_connection.cc).
template void Connection::Write(const asio::const_buffer& buffers, Step next);

void Connection::SendSlice() {
  const std::string_view slice = rest_.substr(0, server_.options.piece_bytes);
  Write(std::array<asio::const_buffer, 2>{asio::buffer(header_),
                                          asio::buffer(slice)},
        &Connection::OnSlice);
  rest_.remove_prefix(slice.size());
}

void Connection::OnSlice() {
  header_.clear();
  if (rest_.empty()) return Finish();
  SendSlice();
}

void Connection::Pump() {
  if (state_ == State::kClosed) return;
  state_ = State::kSending;
  deadline_.Cancel();
  raw_.clear();
  woken_ = false;
  const auto source = source_;  // Next may bring about our end
  const Result<BodyStep> step =
      source->Next(&raw_, server_.options.piece_bytes);
  if (state_ == State::kClosed) return;
  if (!step.ok()) return AbortBody(step.status());
  const bool done = *step == BodyStep::kDone;
  piece_.clear();
  if (compressor_) {
    unflushed_ = unflushed_ || !raw_.empty();
    const bool flush = *step == BodyStep::kWait && unflushed_;
    if (done || flush || !raw_.empty()) {
      compressor_->Add(raw_, done, &piece_, flush);
    }
    if (flush) unflushed_ = false;
  } else {
    piece_.swap(raw_);
  }
  if (response_.source_bytes) {
    if (piece_.size() > source_left_ ||
        (done && piece_.size() < source_left_)) {
      return AbortBody(DataLoss("the body is not as long as was said"));
    }
    source_left_ -= piece_.size();
  }
  if (done) return SendPiece(true, &Connection::Finish);
  if (*step == BodyStep::kMore) {
    if (!piece_.empty()) return SendPiece(false, &Connection::Pump);
    // The compressor keeps it; others get their turn.
    asio::post(socket_.get_executor(),
               [self = shared_from_this()] { self->Pump(); });
    return;
  }
  if (!piece_.empty()) return SendPiece(false, &Connection::EnterWaiting);
  EnterWaiting();
}

void Connection::SendPiece(bool last, Step next) {
  header_.clear();
  chunk_head_.clear();
  std::string_view tail;
  if (!header_sent_) {
    header_sent_ = true;
    if (response_.source_bytes) {
      header_ = MakeHeader(*response_.source_bytes);
    } else if (last) {  // the whole body at once: its length is known
      header_ = MakeHeader(piece_.size());
      chunked_ = false;
    } else {
      // HTTP/1.0 has no chunks: the end of the connection ends the body.
      if (!chunked_) keep_alive_ = false;
      header_ = MakeHeader(std::nullopt);
    }
  }
  if (chunked_) {
    if (!piece_.empty()) {
      char digits[20];
      const auto end =
          std::to_chars(digits, digits + sizeof digits, piece_.size(), 16);
      chunk_head_.assign(digits, end.ptr);
      chunk_head_ += "\r\n";
    }
    if (piece_.empty()) {
      tail = last ? "0\r\n\r\n" : "";
    } else {
      tail = last ? "\r\n0\r\n\r\n" : "\r\n";
    }
  }
  header_ += chunk_head_;
  Write(
      std::array<asio::const_buffer, 3>{
          asio::buffer(header_), asio::buffer(piece_), asio::buffer(tail)},
      next);
}

void Connection::EnterWaiting() {
  deadline_.Cancel();
  state_ = State::kWaiting;
  if (peer_left_) return Close();
  if (woken_) {
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      if (self->state_ == State::kWaiting) self->Pump();
    });
    return;
  }
  if (buffer_.size() == 0) return WaitReadable();
  BoundWaiting();
}

void Connection::OnWake(std::uint64_t request_number) {
  if (request_number != request_number_ || !source_) return;
  if (std::exchange(woken_, true) || state_ != State::kWaiting) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->state_ == State::kWaiting) self->Pump();
  });
}

void Connection::AbortBody(const Status& why) {
  ++server_.stats.bodies_aborted;
  LogWarn("http body failed", {{"route", request_->route}, {"error", why}});
  source_.reset();
  if (header_sent_) return Close(true);
  // Nothing is out yet: the client can still be told.
  state_ = State::kHandling;
  Respond(StatusError(why));
}

// What Asio may throw here is an error of ours: it ends the process, from the
// destructor as from elsewhere.
// NOLINTNEXTLINE(bugprone-exception-escape)
Responder::~Responder() {
  if (exchange_ && !exchange_->sent) {
    Send(TextError(500, "Internal Server Error"));
  }
}

void Responder::Send(HttpResponse response) {
  if (!exchange_ || std::exchange(exchange_->sent, true)) return;
  if (const auto c = exchange_->connection.lock()) {
    c->Respond(std::move(response));
  }
}

bool Responder::cancelled() const {
  return !exchange_ || exchange_->cancelled || exchange_->connection.expired();
}

void Responder::OnCancel(Task task) {
  if (exchange_ && !exchange_->sent) exchange_->on_cancel = std::move(task);
}

}  // namespace fodc::net
