// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::net {
namespace {

Result<std::vector<std::string>> LookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return Unavailable(
        StrCat("cannot resolve ", host, ": ", ::gai_strerror(error)));
  }
  std::set<std::string> v4;
  std::set<std::string> v6;
  for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    if (i->ai_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(i->ai_addr);
      v4.insert(::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text));
    } else if (i->ai_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(i->ai_addr);
      v6.insert(::inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text));
    }
  }
  ::freeaddrinfo(found);
  const std::set<std::string>& chosen = v4.empty() ? v6 : v4;
  if (chosen.empty()) {
    return Unavailable(StrCat("cannot resolve ", host, ": it has no address"));
  }
  return std::vector<std::string>(chosen.begin(), chosen.end());
}

}  // namespace

// What a lookup holds on to, which the resolver may not outlast.
struct Resolver::Shared {
  Mutex mutex;
  // nullptr: the resolver is gone, and perhaps the loop.
  EventLoop* loop FODC_GUARDED_BY(mutex) = nullptr;
  Resolver* owner = nullptr;  // of the loop's thread
};

Resolver::Resolver(EventLoop& loop) : shared_(std::make_shared<Shared>()) {
  MutexLock lock(shared_->mutex);
  shared_->loop = &loop;
  shared_->owner = this;
}

Resolver::~Resolver() {
  shared_->owner = nullptr;
  MutexLock lock(shared_->mutex);
  shared_->loop = nullptr;
}

void Resolver::Resolve(const std::string& host, Done done) {
  const std::uint64_t lookup = ++last_lookup_;
  lookups_.emplace(lookup, std::move(done));
  const auto answer = [shared = shared_,
                       lookup](Result<std::vector<std::string>> found) {
    MutexLock lock(shared->mutex);
    if (shared->loop == nullptr) return;
    shared->loop->Post([shared, lookup, found = std::move(found)]() mutable {
      if (shared->owner != nullptr) {
        shared->owner->Finish(lookup, std::move(found));
      }
    });
  };
  if (IsLocalhost(host)) return answer(std::vector<std::string>{"127.0.0.1"});
  try {
    std::thread([host, answer] { answer(LookUp(host)); }).detach();
  } catch (const std::system_error& e) {
    answer(Unavailable(StrCat("cannot resolve ", host, ": ", e.what())));
  }
}

void Resolver::Finish(std::uint64_t lookup,
                      Result<std::vector<std::string>> found) {
  const auto it = lookups_.find(lookup);
  Done done = std::move(it->second);
  lookups_.erase(it);
  done(std::move(found));
}

}  // namespace fodc::net
