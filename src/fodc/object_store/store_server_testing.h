// SPDX-License-Identifier: Apache-2.0
// A small HTTP server for tests of what speaks to stores: a thread for each
// connection, bodies read whole, answers as the test has them.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/net/listen.h"

namespace fodc::object_store {

struct ServedRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string At(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

struct ServedAnswer {
  int status = 200;
  std::map<std::string, std::string> headers{};
  std::string body{};
  // Sent instead of all, and then the connection is cut.
  std::string raw{};
  bool cuts = false;  // without an answer
};

// What a server answers; a test may replace it while connections that were cut
// are still coming to their ends.
template <typename Of>
class Answers {
 public:
  using Answer = std::function<ServedAnswer(Of)>;

  Answers() = default;
  explicit Answers(Answer answer) : answer_(std::move(answer)) {}
  Answers& operator=(Answer answer) {
    const MutexLock lock(mutex_);
    answer_ = std::move(answer);
    return *this;
  }
  ServedAnswer operator()(Of of) const {
    Answer answer;
    {
      const MutexLock lock(mutex_);
      answer = answer_;
    }
    return answer(of);
  }

 private:
  mutable Mutex mutex_;
  Answer answer_ FODC_GUARDED_BY(mutex_);
};

class StoreServer {
 public:
  using Serve = std::function<ServedAnswer(const ServedRequest&)>;

  explicit StoreServer(Serve serve)
      : listener_(*net::ListenTcp("127.0.0.1:0")), serve_(std::move(serve)) {
    thread_ = std::jthread([this] { Accept(); });
  }
  ~StoreServer() {
    ending_ = true;
    ::shutdown(listener_.fd.get(), SHUT_RDWR);
    {
      const MutexLock lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    thread_.join();
    connections_.clear();
  }
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;

  std::string origin() const {
    return StrCat("http://127.0.0.1:", listener_.port);
  }
  std::vector<ServedRequest> requests() const {
    const MutexLock lock(mutex_);
    return requests_;
  }
  int accepted() const { return accepted_; }

 private:
  void Accept() {
    while (!ending_) {
      pollfd waits{.fd = listener_.fd.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waits, 1, 50) <= 0) continue;
      UniqueFd fd(
          ::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.ok()) continue;
      ++accepted_;
      const MutexLock lock(mutex_);
      open_.push_back(fd.get());
      connections_.emplace_back(
          [this, fd = std::move(fd)] { Connection(fd.get()); });
    }
  }

  void Connection(int fd) {
    std::string in;
    ServedRequest request;
    while (!ending_ && Read(fd, &in, &request)) {
      {
        const MutexLock lock(mutex_);
        requests_.push_back(request);
      }
      const ServedAnswer answer = serve_(request);
      if (answer.cuts || !Send(fd, Text(request, answer)) ||
          !answer.raw.empty()) {
        break;
      }
    }
    ::shutdown(fd, SHUT_RDWR);
    const MutexLock lock(mutex_);
    std::erase(open_, fd);
  }

  static std::string Text(const ServedRequest& request,
                          const ServedAnswer& answer) {
    if (!answer.raw.empty()) return answer.raw;
    std::string text = StrCat("HTTP/1.1 ", answer.status, " X\r\n");
    for (const auto& [name, value] : answer.headers)
      text += StrCat(name, ": ", value, "\r\n");
    if (!answer.headers.contains("Content-Length"))
      text += StrCat("Content-Length: ", answer.body.size(), "\r\n");
    return StrCat(text, "\r\n", request.method == "HEAD" ? "" : answer.body);
  }

  static bool Fill(int fd, std::string* in) {
    char buffer[65536];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) in->append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  static bool Read(int fd, std::string* in, ServedRequest* request) {
    *request = {};
    std::size_t end = 0;
    while ((end = in->find("\r\n\r\n")) == in->npos) {
      if (!Fill(fd, in)) return false;
    }
    const std::string head = in->substr(0, end);
    in->erase(0, end + 4);
    const auto lines = Split(head, '\n');
    const auto words = Split(Trim(lines[0]), ' ');
    request->method = words[0];
    request->target = words[1];
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const std::size_t colon = lines[i].find(':');
      request->headers[ToLower(lines[i].substr(0, colon))] =
          Trim(lines[i].substr(colon + 1));
    }
    const std::size_t bytes =
        ParseUint(request->At("content-length")).value_or(0);
    if (request->At("expect") == "100-continue" &&
        !Send(fd, "HTTP/1.1 100 Continue\r\n\r\n")) {
      return false;
    }
    while (in->size() < bytes) {
      if (!Fill(fd, in)) return false;
    }
    request->body = in->substr(0, bytes);
    in->erase(0, bytes);
    return true;
  }

  static bool Send(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  const net::Listener listener_;
  const Serve serve_;
  std::atomic<bool> ending_ = false;
  std::atomic<int> accepted_ = 0;
  mutable Mutex mutex_;
  std::vector<int> open_ FODC_GUARDED_BY(mutex_);
  std::vector<ServedRequest> requests_ FODC_GUARDED_BY(mutex_);
  std::list<std::jthread> connections_;
  std::jthread thread_;
};

}  // namespace fodc::object_store
