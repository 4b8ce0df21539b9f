// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::pprof {
namespace {

constexpr std::size_t kBufferBytes = 16 * 1024;
// 8 KiB of window and small hash tables: a profile repeats itself at short
// distance, and memory is what the process has least of.
constexpr int kWindowBits = 13;
constexpr int kMemoryLevel = 7;
constexpr int kGzipWrapper = 16;
constexpr int kAnyWindowBits = 15;

// zlib takes pieces of unsigned int bytes and does not write to its input.
uInt TakePiece(std::string_view* rest, z_stream* z) {
  const auto size = static_cast<uInt>(
      std::min<std::size_t>(rest->size(), std::numeric_limits<uInt>::max()));
  z->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest->data()));
  z->avail_in = size;
  rest->remove_prefix(size);
  return size;
}

// What the trailer says of the contents, if they can be so many: memory for
// them is then taken once. Nobody relies on it.
std::size_t ContentsHint(std::string_view bytes) {
  constexpr std::size_t kTrailerBytes = 4;
  constexpr std::size_t kMaxRatio = 1032;  // of deflate
  if (bytes.size() < kTrailerBytes) return 0;
  std::size_t size = 0;
  for (std::size_t i = 0; i < kTrailerBytes; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - 1 - i]);
    size = size << 8 | byte;
  }
  return std::min(size, bytes.size() * kMaxRatio);
}

}  // namespace

struct GzipWriter::Impl {
  Sink sink;
  z_stream z = {};
  std::array<char, kBufferBytes> buffer;

  // Deflates what `z` has, until it wants more or, to finish, has no more.
  Status Run(int flush) {
    int result = Z_OK;
    do {
      z.next_out = reinterpret_cast<Bytef*>(buffer.data());
      z.avail_out = kBufferBytes;
      result = deflate(&z, flush);
      const std::size_t made = kBufferBytes - z.avail_out;
      if (made > 0) FODC_RETURN_IF_ERROR(sink({buffer.data(), made}));
    } while (z.avail_out == 0);
    if (flush == Z_FINISH && result != Z_STREAM_END) {
      return Internal(StrCat("deflate: ", result));
    }
    return OkStatus();
  }
};

GzipWriter::GzipWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GzipWriter::~GzipWriter() { deflateEnd(&impl_->z); }

Result<std::unique_ptr<GzipWriter>> GzipWriter::Create(Sink sink) {
  auto impl = std::make_unique<Impl>();
  impl->sink = std::move(sink);
  if (deflateInit2(&impl->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                   kWindowBits + kGzipWrapper, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return ResourceExhausted("no memory to compress with");
  }
  return std::unique_ptr<GzipWriter>(new GzipWriter(std::move(impl)));
}

Status GzipWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    TakePiece(&bytes, &impl_->z);
    FODC_RETURN_IF_ERROR(impl_->Run(Z_NO_FLUSH));
  }
  return OkStatus();
}

Status GzipWriter::Finish() { return impl_->Run(Z_FINISH); }

Result<std::string> Gunzip(std::string_view bytes, std::size_t max_bytes) {
  z_stream z = {};
  if (inflateInit2(&z, kAnyWindowBits + kGzipWrapper) != Z_OK) {
    return ResourceExhausted("no memory to decompress with");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  std::string out;
  out.reserve(std::min(ContentsHint(bytes), max_bytes));
  std::array<char, kBufferBytes> buffer;
  bool is_whole = false;
  while (!bytes.empty() || z.avail_in > 0) {
    if (z.avail_in == 0) TakePiece(&bytes, &z);
    if (is_whole) inflateReset(&z);
    do {
      z.next_out = reinterpret_cast<Bytef*>(buffer.data());
      z.avail_out = kBufferBytes;
      const int result = inflate(&z, Z_NO_FLUSH);
      is_whole = result == Z_STREAM_END;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return DataLoss(StrCat("not gzip, or damaged after ", out.size(),
                               " bytes of contents"));
      }
      const std::size_t made = kBufferBytes - z.avail_out;
      if (made > max_bytes - out.size()) {
        return ResourceExhausted(
            StrCat("gzip contents of more than ", max_bytes, " bytes"));
      }
      out.append(buffer.data(), made);
    } while (z.avail_out == 0 && !is_whole);
  }
  if (!is_whole) {
    return DataLoss(
        StrCat("gzip is cut after ", out.size(), " bytes of contents"));
  }
  return out;
}

}  // namespace fodc::pprof
