// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/capsule_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/capsule.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_writer.h"
#include "fodc/evidence/sha256.h"
#include "fodc/evidence/tar.h"

namespace fodc::evidence {
namespace {

constexpr std::size_t kInputBytes = 64 << 10;
constexpr std::size_t kOutputBytes = 128 << 10;
// 8 MiB: what a frame may want of its reader's memory.
constexpr int kMaxWindowLog = 23;

struct FreeContext {
  void operator()(ZSTD_DCtx* d) const { (void)ZSTD_freeDCtx(d); }
};

// The archive: one frame of zstd.
class Unpacker {
 public:
  explicit Unpacker(const ReadBytes& read)
      : read_(read), context_(ZSTD_createDCtx()) {
    FODC_CHECK(context_ != nullptr);
    FODC_CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(
        context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)));
  }

  // At least a byte, within `max`; empty at the end of the frame.
  Result<std::string_view> Next(std::size_t max) {
    while (taken_ == output_.size()) {
      if (has_ended_) return std::string_view();
      FODC_RETURN_IF_ERROR(Unpack());
    }
    const std::string_view piece =
        std::string_view(output_).substr(taken_, max);
    taken_ += piece.size();
    return piece;
  }

  // After the end: that there is nothing behind it.
  Status CheckEnd() {
    if (in_.pos < in_.size) return DataLoss("there is more behind the capsule");
    FODC_ASSIGN_OR_RETURN(const std::size_t n, read_(input_));
    return n == 0 ? OkStatus() : DataLoss("there is more behind the capsule");
  }

 private:
  Status Unpack() {
    if (in_.pos == in_.size && !is_full_) {
      FODC_ASSIGN_OR_RETURN(const std::size_t n, read_(input_));
      if (n == 0) return DataLoss("the capsule is cut");
      in_ = {input_.data(), n, 0};
    }
    output_.resize(kOutputBytes);
    ZSTD_outBuffer out{output_.data(), output_.size(), 0};
    const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
    output_.resize(out.pos);
    taken_ = 0;
    if (ZSTD_isError(left) != 0)
      return DataLoss(StrCat("zstd: ", ZSTD_getErrorName(left)));
    has_ended_ = left == 0;
    // It may hold more than there was room for.
    is_full_ = out.pos == kOutputBytes && !has_ended_;
    return OkStatus();
  }

  const ReadBytes& read_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  std::string input_ = std::string(kInputBytes, '\0');
  std::string output_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  std::size_t taken_ = 0;
  bool is_full_ = false;
  bool has_ended_ = false;
};

class Reader {
 public:
  Reader(const ReadBytes& read, CapsuleVisitor* visitor,
         const CapsuleLimits& limits)
      : unpacker_(read), visitor_(visitor), left_(limits.max_bytes) {}

  Result<CapsuleContent> Read() {
    for (;;) {
      FODC_ASSIGN_OR_RETURN(const std::optional<TarHead> head, ReadHead());
      if (!head) break;
      FODC_RETURN_IF_ERROR(ReadFile(*head));
    }
    FODC_RETURN_IF_ERROR(unpacker_.CheckEnd());
    FODC_RETURN_IF_ERROR(CheckManifest());
    CompareWithReceipts();
    return std::move(content_);
  }

 private:
  Status ReadBlock(TarBlock* block) {
    for (std::size_t n = 0; n < block->size();) {
      FODC_ASSIGN_OR_RETURN(const std::string_view piece,
                            unpacker_.Next(block->size() - n));
      if (piece.empty()) return DataLoss("the archive is cut");
      std::copy(piece.begin(), piece.end(), block->data() + n);
      n += piece.size();
    }
    return OkStatus();
  }

  static bool IsZero(const TarBlock& block) {
    return std::all_of(block.begin(), block.end(),
                       [](char c) { return c == '\0'; });
  }

  // Nothing at the archive's end: two blocks of zeros, and no more.
  Result<std::optional<TarHead>> ReadHead() {
    TarBlock block;
    FODC_RETURN_IF_ERROR(ReadBlock(&block));
    if (!IsZero(block)) {
      FODC_ASSIGN_OR_RETURN(TarHead head, DecodeTarHead(block));
      return std::optional(std::move(head));
    }
    FODC_RETURN_IF_ERROR(ReadBlock(&block));
    if (!IsZero(block)) return DataLoss("the archive has a hole");
    FODC_ASSIGN_OR_RETURN(const std::string_view more, unpacker_.Next(1));
    if (!more.empty()) return DataLoss("there is more behind the archive");
    return std::optional<TarHead>();
  }

  // The name below the event's directory.
  Result<std::string> TakeName(const TarHead& head) {
    const std::size_t slash = head.name.find('/');
    const std::string_view id = std::string_view(head.name).substr(0, slash);
    FODC_RETURN_IF_ERROR(ParseEventId(id).status());
    if (content_.id.empty()) content_.id = id;
    if (id != content_.id || slash == std::string::npos)
      return DataLoss(StrCat(head.name, " is not of event ", content_.id));
    std::string name = head.name.substr(slash + 1);
    const bool is_first = manifest_.empty();
    if (has_manifest_ || is_first != (name == kMetaFile))
      return DataLoss(StrCat(name, " is out of place in the archive"));
    if (name == kMetaFile || name == kManifestFile) return name;
    FODC_RETURN_IF_ERROR(CheckArtifactName(name));
    if (content_.files.size() == kMaxEventFiles) {
      return DataLoss(
          StrCat("there are more than ", kMaxEventFiles, " artifacts"));
    }
    return name;
  }

  Status ReadFile(const TarHead& head) {
    const Result<std::string> taken = TakeName(head);
    if (!taken.ok()) return DataLoss(taken.status().message());
    const std::string& name = *taken;
    if (head.size_bytes > left_) {
      return ResourceExhausted(
          StrCat(name, " of ", head.size_bytes,
                 " bytes makes the capsule larger than what may be unpacked"));
    }
    left_ -= head.size_bytes;
    if (name == kManifestFile) {
      FODC_ASSIGN_OR_RETURN(const std::string text,
                            ReadText(head, kMaxManifestBytes));
      FODC_ASSIGN_OR_RETURN(stated_, DecodeManifest(text));
      has_manifest_ = true;
      return SkipPadding(head);
    }
    Sha256 sha256;
    if (visitor_ != nullptr) {
      FODC_RETURN_IF_ERROR(
          visitor_->OnFile(content_.id, name, head.size_bytes));
    }
    if (name == kMetaFile) {
      FODC_ASSIGN_OR_RETURN(const std::string text,
                            ReadText(head, kMaxMetaBytes));
      FODC_ASSIGN_OR_RETURN(content_.meta, DecodeEventMeta(text));
      sha256.Update(text);
      if (visitor_ != nullptr) FODC_RETURN_IF_ERROR(visitor_->OnBytes(text));
    } else {
      FODC_RETURN_IF_ERROR(ReadContent(head, [&](std::string_view piece) {
        sha256.Update(piece);
        return visitor_ == nullptr ? OkStatus() : visitor_->OnBytes(piece);
      }));
    }
    const std::string hex = sha256.Hex();
    if (!manifest_.emplace(name, hex).second)
      return DataLoss(name + " is in the archive twice");
    if (name != kMetaFile) {
      content_.files.push_back(
          {.name = name, .bytes = head.size_bytes, .sha256 = hex});
    }
    return SkipPadding(head);
  }

  template <typename Take>
  Status ReadContent(const TarHead& head, const Take& take) {
    for (std::uint64_t left = head.size_bytes; left > 0;) {
      FODC_ASSIGN_OR_RETURN(
          const std::string_view piece,
          unpacker_.Next(std::min<std::uint64_t>(left, kOutputBytes)));
      if (piece.empty()) return DataLoss(head.name + " is cut");
      FODC_RETURN_IF_ERROR(take(piece));
      left -= piece.size();
    }
    return OkStatus();
  }

  Result<std::string> ReadText(const TarHead& head, std::size_t max_bytes) {
    if (head.size_bytes > max_bytes) {
      return DataLoss(StrCat(head.name, " has ", head.size_bytes,
                             " bytes; the limit is ", max_bytes));
    }
    std::string text;
    FODC_RETURN_IF_ERROR(ReadContent(head, [&text](std::string_view piece) {
      text += piece;
      return OkStatus();
    }));
    return text;
  }

  Status SkipPadding(const TarHead& head) {
    for (std::size_t left = TarPadding(head.size_bytes); left > 0;) {
      FODC_ASSIGN_OR_RETURN(const std::string_view piece, unpacker_.Next(left));
      if (piece.empty()) return DataLoss("the archive is cut");
      left -= piece.size();
    }
    return OkStatus();
  }

  Status CheckManifest() const {
    if (!has_manifest_)
      return DataLoss(StrCat("the capsule has no ", kManifestFile));
    for (const auto& [name, sha256] : manifest_) {
      const auto it = stated_.find(name);
      if (it == stated_.end())
        return DataLoss(StrCat(name, " is not in ", kManifestFile));
      if (it->second != sha256) {
        return DataLoss(StrCat(name, " has the SHA-256 ", sha256, ", and in ",
                               kManifestFile, " ", it->second));
      }
    }
    for (const auto& [name, sha256] : stated_) {
      if (!manifest_.contains(name))
        return DataLoss(StrCat(name, " of ", kManifestFile, " is missing"));
    }
    return OkStatus();
  }

  void CompareWithReceipts() {
    for (CapsuleFile& file : content_.files) {
      for (const EventStep& s : content_.meta.steps) {
        if (s.file == file.name && !s.sha256.empty())
          file.is_as_captured = s.sha256 == file.sha256;
      }
    }
    for (const std::string& name : EventFiles(content_.meta)) {
      if (!manifest_.contains(name)) content_.missing.push_back(name);
    }
  }

  Unpacker unpacker_;
  CapsuleVisitor* const visitor_;
  std::uint64_t left_;
  CapsuleContent content_;
  Manifest manifest_;  // of what was read
  Manifest stated_;    // of what ought to be there
  bool has_manifest_ = false;
};

}  // namespace

Result<CapsuleContent> ReadCapsule(const ReadBytes& read,
                                   CapsuleVisitor* visitor,
                                   const CapsuleLimits& limits) {
  return Reader(read, visitor, limits).Read();
}

Result<CapsuleContent> ReadCapsuleFile(const std::string& path,
                                       CapsuleVisitor* visitor,
                                       const CapsuleLimits& limits) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  const auto read = [&](std::span<char> buffer) -> Result<std::size_t> {
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return ErrnoStatus(errno, "read");
    }
  };
  return ReadCapsule(read, visitor, limits).WithContext(path);
}

}  // namespace fodc::evidence
