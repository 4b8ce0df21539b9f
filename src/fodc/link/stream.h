// SPDX-License-Identifier: Apache-2.0
// For this room only: one bidirectional gRPC stream of raw messages, seen from
// the loop. The server's own thread, or gRPC's at a client, decodes and posts;
// the loop decides.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"

namespace google::protobuf {
class Descriptor;
}  // namespace google::protobuf

namespace fodc::link {

// A decoded message; its type follows from the stream's method.
using Decoded = std::shared_ptr<void>;
// Runs on the thread that reads. An error refuses the stream with this status.
using Decoder = std::function<Result<Decoded>(const grpc::ByteBuffer&)>;

Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const Status& status);
grpc::ByteBuffer Encode(const google::protobuf::MessageLite& message);
// Errors: kInvalidArgument when the bytes are no such message, or hold a string
// that is not UTF-8.
Status DecodeInto(const grpc::ByteBuffer& bytes,
                  google::protobuf::MessageLite* message);
// Before a message becomes objects: a few bytes of wire may be one, and some
// hundred in memory. Its parts are what repeats, what is a message, and what
// the type does not know. Costs nothing for a message too short for so many.
// Errors: kResourceExhausted beyond the limit, kInvalidArgument for a group.
Status CheckParts(const grpc::ByteBuffer& bytes,
                  const google::protobuf::Descriptor& type,
                  std::size_t max_parts);
template <typename M>
Status DecodeBounded(const grpc::ByteBuffer& bytes, std::size_t max_parts,
                     M* message) {
  FODC_RETURN_IF_ERROR(CheckParts(bytes, *M::descriptor(), max_parts));
  return DecodeInto(bytes, message);
}
template <typename M>
Decoder DecoderOf(std::size_t max_parts) {
  return [max_parts](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
    auto message = std::make_shared<M>();
    FODC_RETURN_IF_ERROR(DecodeBounded(bytes, max_parts, message.get()));
    return Decoded(std::move(message));
  };
}
// Of any message that is no answer with metrics. An agent puts no more than
// kMaxEntries into one.
inline constexpr std::size_t kMaxParts = 65'536;
inline constexpr std::size_t kMaxEntries = kMaxParts / 4;

// Thread-safe towards gRPC; its methods belong to the loop.
// Life: events arrive at the handler, in order, until OnDone, which is the
// last and comes exactly once, unless the handler detached before.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // The answer to one Read().
    virtual void OnMessage(Decoded message, std::size_t bytes) = 0;
    // The peer sends no more, in good order.
    virtual void OnHalfClose() = 0;
    // Its message was refused by our decoder, and no more is read; the stream
    // is closing with `status`.
    virtual void OnRefused(const Status& /*status*/) { OnHalfClose(); }
    // A message left, and nothing else waits to.
    virtual void OnDrained() {}
    // The end. At a server OK means only that nothing is known.
    virtual void OnDone(const Status& status) = 0;
  };

  virtual ~Stream() = default;

  void Attach(Handler* handler) { handler_ = handler; }
  void Detach() { handler_ = nullptr; }

  // Asks for one message. At most one question at a time.
  void Read();
  // Queues a message; the caller bounds what it queues (see queued()).
  // No effect once the stream is closing.
  void Write(grpc::ByteBuffer message);
  // Messages queued or under way.
  std::size_t queued() const;
  std::uint64_t written() const;  // messages that left
  // Since when the message under way has waited to leave; empty: none is.
  std::optional<MonotonicTime> stuck_since() const;

  // Whether gRPC is done with it.
  bool done() const;

  // Ends in good order once what is queued has left: a server with `status`, a
  // client by closing its half.
  void Close(const Status& status);
  // Ends at once.
  void Cancel();

 protected:
  explicit Stream(net::EventLoop& loop, Decoder decoder)
      : loop_(loop), decoder_(std::move(decoder)) {}

  // What the kind of stream does; called with mutex_ held, never after Ended().
  virtual void StartRead(grpc::ByteBuffer* into) FODC_REQUIRES(mutex_) = 0;
  virtual void StartWrite(const grpc::ByteBuffer* from)
      FODC_REQUIRES(mutex_) = 0;
  virtual void StartClose(const Status& status) FODC_REQUIRES(mutex_) = 0;
  virtual void StartCancel() FODC_REQUIRES(mutex_) = 0;

  // From the reactor's callbacks.
  void ReadDone(bool ok);
  void WriteDone(bool ok);
  void Done(const Status& status);
  // No operation may be started any more. True the first time.
  bool Ended() FODC_REQUIRES(mutex_);

  void Post(std::function<void(Handler*)> event);

  net::EventLoop& loop_;
  const Decoder decoder_;
  mutable Mutex mutex_;
  bool ended_ FODC_GUARDED_BY(mutex_) = false;
  bool cancelled_ FODC_GUARDED_BY(mutex_) = false;
  bool done_ FODC_GUARDED_BY(mutex_) = false;
  Status refusal_ FODC_GUARDED_BY(mutex_);  // what our decoder said

 private:
  void MaybeWrite() FODC_REQUIRES(mutex_);

  Handler* handler_ = nullptr;  // the loop's
  grpc::ByteBuffer incoming_ FODC_GUARDED_BY(mutex_);
  std::deque<grpc::ByteBuffer> writes_ FODC_GUARDED_BY(mutex_);
  bool writing_ FODC_GUARDED_BY(mutex_) = false;
  MonotonicTime write_began_ FODC_GUARDED_BY(mutex_);
  std::uint64_t written_ FODC_GUARDED_BY(mutex_) = 0;
  std::optional<Status> closing_ FODC_GUARDED_BY(mutex_);
  bool close_started_ FODC_GUARDED_BY(mutex_) = false;
};

}  // namespace fodc::link
