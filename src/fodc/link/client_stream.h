// SPDX-License-Identifier: Apache-2.0
// For this room only: the calling end of a stream.
#pragma once

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>

#include "fodc/base/mutex.h"
#include "fodc/link/stream.h"

namespace fodc::link {

// How many client streams gRPC still holds. They post to the loop until the
// end: whoever lets the loop go waits for them first.
class OpenStreams {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
  }
  void Remove() {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.NotifyAll();
  }
  // Every stream has been cancelled: this takes but a moment.
  void WaitForNone() {
    MutexLock lock(mutex_);
    while (count_ > 0) none_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar none_;
  int count_ FODC_GUARDED_BY(mutex_) = 0;
};

// Opens the stream at once: call headers leave without waiting for a message.
// `method`: "/package.Service/Method".
std::shared_ptr<Stream> OpenClientStream(
    net::EventLoop& loop, std::shared_ptr<OpenStreams> open_streams,
    const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
    const std::map<std::string, std::string>& headers, Decoder decoder);

}  // namespace fodc::link
