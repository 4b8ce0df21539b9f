// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/stream.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// Counts the parts of one message. What is damaged ends the count: the parser
// says what is wrong.
class PartCount {
 public:
  explicit PartCount(std::size_t limit) : left_(limit) {}

  Status Add(google::protobuf::io::CodedInputStream* in,
             const Descriptor& type) {
    while (const std::uint32_t tag = in->ReadTag()) {
      const auto kind = WireFormatLite::GetTagWireType(tag);
      if (kind == WireFormatLite::WIRETYPE_START_GROUP) {
        return InvalidArgument("the message has a group");
      }
      const FieldDescriptor* field =
          type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      const Descriptor* inner =
          field == nullptr ? nullptr : field->message_type();
      if (field == nullptr || field->is_repeated() || inner != nullptr) {
        if (left_ == 0) {
          return ResourceExhausted("too many parts");
        }
        --left_;
      }
      if (inner == nullptr ||
          kind != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
        if (!WireFormatLite::SkipField(in, tag)) return OkStatus();
        continue;
      }
      std::uint32_t length = 0;
      // As deep as a parser goes.
      if (!in->ReadVarint32(&length) || depth_ == 100) return OkStatus();
      const auto limit = in->PushLimit(static_cast<int>(length));
      ++depth_;
      FODC_RETURN_IF_ERROR(Add(in, *inner));
      --depth_;
      if (!in->ConsumedEntireMessage() || in->BytesUntilLimit() != 0) {
        return OkStatus();
      }
      in->PopLimit(limit);
    }
    return OkStatus();
  }

 private:
  std::size_t left_;
  int depth_ = 0;
};

}  // namespace

Status CheckParts(const grpc::ByteBuffer& bytes, const Descriptor& type,
                  std::size_t max_parts) {
  if (bytes.Length() / 2 <= max_parts) return OkStatus();
  // The reader does not change the buffer, whatever its signature says.
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&bytes));
  if (!reader.status().ok()) return OkStatus();
  google::protobuf::io::CodedInputStream in(&reader);
  Status status = PartCount(max_parts).Add(&in, type);
  if (status.code() != Code::kResourceExhausted) return status;
  return ResourceExhausted(StrCat("a ", type.full_name(), " of ",
                                  bytes.Length(), " bytes has more than ",
                                  max_parts, " parts, which is the limit"));
}

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
