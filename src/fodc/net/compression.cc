// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/compression.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>

#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

// ISA-L counts in 32 bits.
constexpr std::size_t kMaxStep = 1u << 30;
// Room that an output step begins with; doubled while it is filled.
constexpr std::size_t kOutStep = 64 * 1024;
// Level 1 of ISA-L and its default memory (README.md has the measurements).
constexpr std::uint32_t kIsalLevel = 1;
constexpr std::size_t kIsalBufferBytes = ISAL_DEF_LVL1_DEFAULT;
constexpr int kZstdLevel = 1;
constexpr int kZstdMaxWindowLog = 23;  // 8 MiB

std::uint8_t* Bytes(std::string& s, std::size_t at) {
  return reinterpret_cast<std::uint8_t*>(s.data() + at);
}
// The C interfaces take mutable pointers and do not write.
std::uint8_t* Bytes(std::string_view s) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(s.data()));
}

class GzipCompressor final : public Compressor {
 public:
  GzipCompressor()
      : level_buffer_(std::make_unique<std::uint8_t[]>(kIsalBufferBytes)),
        stream_(std::make_unique<isal_zstream>()) {
    isal_deflate_init(stream_.get());
    stream_->level = kIsalLevel;
    stream_->level_buf = level_buffer_.get();
    stream_->level_buf_size = kIsalBufferBytes;
    stream_->gzip_flag = IGZIP_GZIP;
  }

  void Add(std::string_view piece, bool last, std::string* out,
           bool flush) override {
    do {
      const std::string_view step = piece.substr(0, kMaxStep);
      piece.remove_prefix(step.size());
      stream_->next_in = Bytes(step);
      stream_->avail_in = static_cast<std::uint32_t>(step.size());
      const bool at_end = piece.empty();
      stream_->end_of_stream = last && at_end ? 1 : 0;
      stream_->flush = flush && at_end ? SYNC_FLUSH : NO_FLUSH;
      Drain(out);
    } while (!piece.empty());
  }

 private:
  void Drain(std::string* out) {
    do {
      const std::size_t used = out->size();
      out->resize(used + kOutStep);
      stream_->next_out = Bytes(*out, used);
      stream_->avail_out = kOutStep;
      // Errors are of the arguments alone, which are ours.
      FODC_CHECK(isal_deflate(stream_.get()) == COMP_OK);
      out->resize(out->size() - stream_->avail_out);
    } while (stream_->avail_out == 0);
    FODC_CHECK(stream_->avail_in == 0);
  }

  std::unique_ptr<std::uint8_t[]> level_buffer_;
  std::unique_ptr<isal_zstream> stream_;
};

class ZstdCompressor final : public Compressor {
 public:
  ZstdCompressor() : context_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  void Add(std::string_view piece, bool last, std::string* out,
           bool flush) override {
    const ZSTD_EndDirective mode = last    ? ZSTD_e_end
                                   : flush ? ZSTD_e_flush
                                           : ZSTD_e_continue;
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    bool finished = false;
    while (!finished) {
      const std::size_t used = out->size();
      out->resize(used + kOutStep);
      ZSTD_outBuffer to{out->data() + used, kOutStep, 0};
      const std::size_t left = ZSTD_compressStream2(context_, &to, &in, mode);
      FODC_CHECK(ZSTD_isError(left) == 0);
      out->resize(used + to.pos);
      finished = mode == ZSTD_e_continue ? in.pos == in.size : left == 0;
    }
  }

 private:
  ZSTD_CCtx* context_;
};

Status TooLarge(std::size_t max_out_bytes) {
  return ResourceExhausted(
      StrCat("the decoded body is larger than the limit "
             "of ",
             max_out_bytes, " bytes"));
}

// Appends to `*out` in steps and keeps it within the limit. `Step` is called
// with the room and returns how much of it was used, or a status.
class BoundedOutput {
 public:
  BoundedOutput(std::string* out, std::size_t max_bytes)
      : out_(out), max_bytes_(max_bytes), used_(out->size()) {}
  ~BoundedOutput() { out_->resize(used_); }
  BoundedOutput(const BoundedOutput&) = delete;
  BoundedOutput& operator=(const BoundedOutput&) = delete;

  // Room for more: within the string's capacity if there is some, and one byte
  // beyond the limit, so that reaching it and passing it differ.
  std::size_t MakeRoom() {
    const std::size_t spare = out_->capacity() - used_;
    // A page that was large once leaves much to spare, which is cleared here.
    std::size_t room = std::clamp(spare, kOutStep, 4 * kOutStep);
    room = std::min(room, max_bytes_ + 1 - std::min(used_, max_bytes_));
    room = std::min(room, kMaxStep);
    out_->resize(used_ + room);
    return room;
  }
  char* at() { return out_->data() + used_; }
  void Used(std::size_t n) { used_ += n; }
  bool over() const { return used_ > max_bytes_; }

 private:
  std::string* out_;
  std::size_t max_bytes_;
  std::size_t used_;
};

class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor() : state_(std::make_unique<inflate_state>()) { Reset(); }

  Status Add(std::string_view piece, std::string* out,
             std::size_t max_out_bytes) override {
    BoundedOutput output(out, max_out_bytes);
    while (!piece.empty()) {
      const std::string_view step = piece.substr(0, kMaxStep);
      piece.remove_prefix(step.size());
      state_->next_in = Bytes(step);
      state_->avail_in = static_cast<std::uint32_t>(step.size());
      FODC_RETURN_IF_ERROR(Inflate(&output, max_out_bytes));
    }
    return OkStatus();
  }

  Status End() override {
    return state_->block_state == ISAL_BLOCK_FINISH
               ? OkStatus()
               : DataLoss("the gzip stream is cut short");
  }

 private:
  void Reset() {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }

  Status Inflate(BoundedOutput* output, std::size_t max_out_bytes) {
    while (true) {
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        if (state_->avail_in == 0) return OkStatus();
        // A further member.
        std::uint8_t* next = state_->next_in;
        const std::uint32_t left = state_->avail_in;
        Reset();
        state_->next_in = next;
        state_->avail_in = left;
      }
      const std::size_t room = output->MakeRoom();
      state_->next_out = reinterpret_cast<std::uint8_t*>(output->at());
      state_->avail_out = static_cast<std::uint32_t>(room);
      const int result = isal_inflate(state_.get());
      output->Used(room - state_->avail_out);
      if (output->over()) return TooLarge(max_out_bytes);
      if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT) {
        return DataLoss(StrCat("bad gzip data (", result, ")"));
      }
      if (state_->block_state == ISAL_BLOCK_FINISH) continue;
      // All taken in, and not stopped by lack of room: wait for more.
      if (state_->avail_in == 0 && state_->avail_out > 0) return OkStatus();
    }
  }

  std::unique_ptr<inflate_state> state_;
};

class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdMaxWindowLog);
  }
  ~ZstdDecompressor() override { ZSTD_freeDCtx(context_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  Status Add(std::string_view piece, std::string* out,
             std::size_t max_out_bytes) override {
    BoundedOutput output(out, max_out_bytes);
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    bool more = in.size > 0;
    while (more) {
      const std::size_t room = output.MakeRoom();
      ZSTD_outBuffer to{output.at(), room, 0};
      const std::size_t left = ZSTD_decompressStream(context_, &to, &in);
      output.Used(to.pos);
      if (output.over()) return TooLarge(max_out_bytes);
      if (ZSTD_isError(left) != 0) {
        return DataLoss(StrCat("bad zstd data: ", ZSTD_getErrorName(left)));
      }
      complete_ = left == 0;
      more = in.pos < in.size || (to.pos == room && !complete_);
    }
    return OkStatus();
  }

  Status End() override {
    return complete_ ? OkStatus() : DataLoss("the zstd stream is cut short");
  }

 private:
  ZSTD_DCtx* context_;
  bool complete_ = false;
};

}  // namespace

std::unique_ptr<Compressor> MakeCompressor(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return std::make_unique<GzipCompressor>();
    case ContentCoding::kZstd:
      return std::make_unique<ZstdCompressor>();
    case ContentCoding::kIdentity:
      break;
  }
  return nullptr;
}

std::unique_ptr<Decompressor> MakeDecompressor(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return std::make_unique<GzipDecompressor>();
    case ContentCoding::kZstd:
      return std::make_unique<ZstdDecompressor>();
    case ContentCoding::kIdentity:
      break;
  }
  return nullptr;
}

}  // namespace fodc::net
