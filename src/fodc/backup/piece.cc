// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/piece.h"

#include <zstd.h>

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using object_store::ByteSink;

// In the first byte of a piece.
constexpr unsigned char kIsZstd = 1;
constexpr unsigned char kIsSealed = 2;

constexpr std::size_t kReadBytes = 128u << 10;
constexpr std::size_t kChunkBytes = 64u << 10;  // of a seal
// What a reader must hold; the writer asks for no more.
constexpr int kWindowLog = 23;

struct FreeEncoder {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecoder {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Takes bytes of any length, and seals them in chunks of one length.
class SealedOut {
 public:
  SealedOut(const SealKey& key, const std::string& salt) : sealer_(key, salt) {}

  Status Write(std::string_view bytes, const ByteSink& out) {
    while (!bytes.empty()) {
      // A full one may be the last: it waits for what comes behind it.
      if (chunk_.size() == kChunkBytes) {
        FODC_RETURN_IF_ERROR(out(sealer_.Seal(chunk_, false)));
        chunk_.clear();
      }
      const std::size_t some =
          std::min(bytes.size(), kChunkBytes - chunk_.size());
      chunk_.append(bytes.substr(0, some));
      bytes.remove_prefix(some);
    }
    return OkStatus();
  }
  Status Finish(const ByteSink& out) { return out(sealer_.Seal(chunk_, true)); }

 private:
  Sealer sealer_;
  std::string chunk_;
};

}  // namespace

struct PieceEncoder::Impl {
  PieceForm form;
  std::unique_ptr<ZSTD_CCtx, FreeEncoder> zstd = nullptr;
  std::string read = std::string(kReadBytes, '\0');
  std::string packed = {};

  // What goes on behind the compressor.
  Status Compress(std::string_view bytes, bool is_last, const ByteSink& out) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer to{packed.data(), packed.size(), 0};
      const std::size_t left = ZSTD_compressStream2(
          zstd.get(), &to, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0)
        return Internal(StrCat("zstd: ", ZSTD_getErrorName(left)));
      FODC_RETURN_IF_ERROR(out({packed.data(), to.pos}));
      if (is_last ? left == 0 : in.pos == in.size) return OkStatus();
    }
  }
};

PieceEncoder::PieceEncoder(const PieceForm& form)
    : impl_(std::make_unique<Impl>(Impl{.form = form})) {
  if (form.zstd_level == 0) return;
  impl_->zstd.reset(ZSTD_createCCtx());
  FODC_CHECK(impl_->zstd != nullptr);
  impl_->packed.resize(ZSTD_CStreamOutSize());
  ZSTD_CCtx* const zstd = impl_->zstd.get();
  FODC_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel,
                                                 form.zstd_level)) == 0);
  // What a piece is compared with is the manifest's SHA-256.
  FODC_CHECK(
      ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 0)) == 0);
}

PieceEncoder::~PieceEncoder() = default;

Result<std::uint64_t> PieceEncoder::Encode(const object_store::Blob& blob,
                                           std::uint64_t offset,
                                           std::uint64_t bytes,
                                           object_store::Digester* digester,
                                           const ByteSink& out) {
  std::uint64_t stored = 0;
  const ByteSink counted = [&](std::string_view some) {
    stored += some.size();
    return some.empty() ? OkStatus() : out(some);
  };
  const auto form =
      static_cast<unsigned char>((impl_->zstd ? kIsZstd : 0) |
                                 (impl_->form.key != nullptr ? kIsSealed : 0));
  FODC_RETURN_IF_ERROR(counted({reinterpret_cast<const char*>(&form), 1}));
  std::optional<SealedOut> sealed;
  if (impl_->form.key != nullptr) {
    const std::string salt = NewSalt();
    FODC_RETURN_IF_ERROR(counted(salt));
    sealed.emplace(*impl_->form.key, salt);
  }
  const ByteSink behind = [&](std::string_view some) {
    return sealed ? sealed->Write(some, counted) : counted(some);
  };
  if (impl_->zstd) {
    ZSTD_CCtx* const zstd = impl_->zstd.get();
    FODC_CHECK(ZSTD_isError(ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only)) ==
               0);
    // Of a small one it takes less memory.
    FODC_CHECK(ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(zstd, bytes)) == 0);
  }
  for (std::uint64_t at = 0; at < bytes || at == 0;) {
    const std::size_t some = static_cast<std::size_t>(
        std::min<std::uint64_t>(kReadBytes, bytes - at));
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          blob.ReadAt(offset + at, impl_->read.data(), some));
    if (got != some) return FailedPrecondition("it became shorter");
    const std::string_view piece(impl_->read.data(), got);
    digester->Update(piece);
    at += got;
    FODC_RETURN_IF_ERROR(impl_->zstd
                             ? impl_->Compress(piece, at == bytes, behind)
                             : behind(piece));
    if (at == bytes) break;
  }
  if (sealed) FODC_RETURN_IF_ERROR(sealed->Finish(counted));
  return stored;
}

struct PieceDecoder::Impl {
  std::uint64_t left;  // that have not come
  const SealKey* key;
  bool is_begun = false;  // its first byte came
  bool is_zstd = false;
  bool is_sealed = false;
  bool is_frame_over = false;
  bool is_sealed_over = false;  // its last chunk was opened
  std::string pending = {};     // a salt, or a chunk, that has not come whole
  std::optional<Unsealer> unsealer = {};
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> zstd = nullptr;
  std::string unpacked = {};

  Status Begin(unsigned char form) {
    is_begun = true;
    if ((form & ~(kIsZstd | kIsSealed)) != 0)
      return DataLoss(StrCat("a piece has the form ", unsigned{form},
                             ", which is not known"));
    is_zstd = (form & kIsZstd) != 0;
    is_sealed = (form & kIsSealed) != 0;
    if (is_sealed && key == nullptr)
      return FailedPrecondition("it is sealed: --encryption-key-file");
    if (!is_zstd) return OkStatus();
    zstd.reset(ZSTD_createDCtx());
    FODC_CHECK(zstd != nullptr);
    FODC_CHECK(ZSTD_isError(ZSTD_DCtx_setParameter(
                   zstd.get(), ZSTD_d_windowLogMax, kWindowLog)) == 0);
    unpacked.resize(ZSTD_DStreamOutSize());
    return OkStatus();
  }

  // What is no longer sealed.
  Status Unpack(std::string_view bytes, const ByteSink& out) {
    if (!is_zstd) return bytes.empty() ? OkStatus() : out(bytes);
    if (bytes.empty()) return OkStatus();
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      if (is_frame_over) {
        return in.pos == in.size
                   ? OkStatus()
                   : DataLoss("there is more behind a frame's end");
      }
      ZSTD_outBuffer to{unpacked.data(), unpacked.size(), 0};
      const std::size_t hint = ZSTD_decompressStream(zstd.get(), &to, &in);
      if (ZSTD_isError(hint) != 0)
        return DataLoss(StrCat("zstd: ", ZSTD_getErrorName(hint)));
      is_frame_over = hint == 0;
      if (to.pos != 0) FODC_RETURN_IF_ERROR(out({unpacked.data(), to.pos}));
      // A full buffer may not be all that these bytes give.
      if (in.pos == in.size && to.pos < to.size) return OkStatus();
    }
  }

  Status Unseal(std::string_view bytes, const ByteSink& out) {
    while (!bytes.empty()) {
      const std::size_t whole = unsealer ? kChunkBytes + kTagBytes : kSaltBytes;
      const std::size_t some = std::min(bytes.size(), whole - pending.size());
      pending.append(bytes.substr(0, some));
      bytes.remove_prefix(some);
      const bool is_last = left == 0 && bytes.empty();
      if (pending.size() < whole && !is_last) return OkStatus();
      if (!unsealer) {
        if (pending.size() < whole) return DataLoss("a sealed piece is cut");
        unsealer.emplace(*key, pending);
        pending.clear();
        continue;
      }
      FODC_ASSIGN_OR_RETURN(const std::string chunk,
                            unsealer->Open(pending, is_last));
      pending.clear();
      FODC_RETURN_IF_ERROR(Unpack(chunk, out));
      is_sealed_over = is_last;
    }
    return OkStatus();
  }
};

PieceDecoder::PieceDecoder(std::uint64_t stored, const SealKey* key)
    : impl_(std::make_unique<Impl>(Impl{.left = stored, .key = key})) {}
PieceDecoder::~PieceDecoder() = default;
PieceDecoder::PieceDecoder(PieceDecoder&&) noexcept = default;
PieceDecoder& PieceDecoder::operator=(PieceDecoder&&) noexcept = default;

Status PieceDecoder::Write(std::string_view bytes, const ByteSink& out) {
  if (bytes.empty()) return OkStatus();
  if (bytes.size() > impl_->left) return DataLoss("a piece is too long");
  impl_->left -= bytes.size();
  if (!impl_->is_begun) {
    FODC_RETURN_IF_ERROR(
        impl_->Begin(static_cast<unsigned char>(bytes.front())));
    bytes.remove_prefix(1);
  }
  return impl_->is_sealed ? impl_->Unseal(bytes, out)
                          : impl_->Unpack(bytes, out);
}

Status PieceDecoder::Finish() {
  const bool is_whole = impl_->left == 0 && impl_->is_begun &&
                        (!impl_->is_sealed || impl_->is_sealed_over) &&
                        (!impl_->is_zstd || impl_->is_frame_over);
  return is_whole ? OkStatus() : DataLoss("a piece is cut");
}

}  // namespace fodc::backup
