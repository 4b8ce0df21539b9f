// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/stream.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/impl/codegen/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return OkStatus();
  return Status(static_cast<Code>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      status.message());
}

grpc::ByteBuffer Encode(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  // A fresh slice has one owner: writing through it is safe.
  message.SerializeWithCachedSizesToArray(
      const_cast<std::uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

Status DecodeInto(const grpc::ByteBuffer& bytes,
                  google::protobuf::MessageLite* message) {
  // The reader does not change the buffer, whatever its signature says.
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&bytes));
  if (!reader.status().ok() || !message->ParseFromZeroCopyStream(&reader)) {
    return InvalidArgument(StrCat("the message is no valid ",
                                  message->GetTypeName(),
                                  " (damaged, or a string is not UTF-8)"));
  }
  return OkStatus();
}

void Stream::Post(std::function<void(Handler*)> event) {
  loop_.Post([self = shared_from_this(), event = std::move(event)] {
    if (self->handler_ != nullptr) event(self->handler_);
  });
}

bool Stream::Ended() { return !std::exchange(ended_, true); }

void Stream::Read() {
  MutexLock lock(mutex_);
  if (!ended_) StartRead(&incoming_);
}

void Stream::Write(grpc::ByteBuffer message) {
  MutexLock lock(mutex_);
  if (ended_ || closing_) return;
  writes_.push_back(std::move(message));
  MaybeWrite();
}

std::size_t Stream::queued() const {
  MutexLock lock(mutex_);
  return writes_.size();
}

std::uint64_t Stream::written() const {
  MutexLock lock(mutex_);
  return written_;
}

std::optional<MonotonicTime> Stream::stuck_since() const {
  MutexLock lock(mutex_);
  if (!writing_) return std::nullopt;
  return write_began_;
}

bool Stream::done() const {
  MutexLock lock(mutex_);
  return done_;
}

void Stream::MaybeWrite() {
  if (writing_ || ended_) return;
  if (!writes_.empty()) {
    writing_ = true;
    write_began_ = loop_.clock().Monotonic();
    StartWrite(&writes_.front());
  } else if (closing_ && !close_started_) {
    close_started_ = true;
    StartClose(*closing_);
  }
}

void Stream::Close(const Status& status) {
  MutexLock lock(mutex_);
  if (closing_) return;
  closing_ = status;
  MaybeWrite();
}

void Stream::Cancel() {
  MutexLock lock(mutex_);
  if (std::exchange(cancelled_, true)) return;
  StartCancel();
}

void Stream::ReadDone(bool ok) {
  grpc::ByteBuffer bytes;
  {
    MutexLock lock(mutex_);
    if (ok) bytes.Swap(&incoming_);
  }
  if (!ok) {
    Post([](Handler* h) { h->OnHalfClose(); });
    return;
  }
  const std::size_t size = bytes.Length();
  Result<Decoded> message = decoder_(bytes);
  if (!message.ok()) {
    {
      MutexLock lock(mutex_);
      refusal_ = message.status();
    }
    Close(message.status());
    Post([status = message.status()](Handler* h) { h->OnRefused(status); });
    return;
  }
  Post([message = *std::move(message), size](Handler* h) {
    h->OnMessage(message, size);
  });
}

void Stream::WriteDone(bool ok) {
  bool drained = false;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (ok) {
      ++written_;
      writes_.pop_front();
    } else {
      writes_.clear();  // the stream is broken; its end follows
    }
    MaybeWrite();
    drained = writes_.empty();
  }
  if (drained) {
    Post([](Handler* h) { h->OnDrained(); });
  }
}

void Stream::Done(const Status& status) {
  Status told = status;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    done_ = true;
    writes_.clear();
    if (!refusal_.ok()) told = refusal_;
  }
  Post([told](Handler* h) { h->OnDone(told); });
}

}  // namespace fodc::link
