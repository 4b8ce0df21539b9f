// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/frame_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::ctl {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;
constexpr std::size_t kMaxHeadBytes = 128;

struct FreeStream {
  void operator()(ZSTD_DStream* s) const { ZSTD_freeDStream(s); }
};

}  // namespace

struct FrameFile::Impl {
  std::string path;
  UniqueFd fd;
  std::unique_ptr<ZSTD_DStream, FreeStream> zstd;  // null for a plain file
  std::vector<char> raw;                           // as read
  std::size_t raw_at = 0;
  std::size_t raw_size = 0;
  bool raw_ended = false;
  bool inside_frame = false;  // of zstd: the file may not end here
  std::string text;           // decoded, from text_at on
  std::size_t text_at = 0;
  std::uint64_t frames = 0;

  Status Bad(std::string_view what) const {
    return DataLoss(StrCat(path, ": frame ", frames + 1, ": ", what));
  }

  Status ReadRaw() {
    if (raw_at < raw_size || raw_ended) return OkStatus();
    ssize_t n = 0;
    do {
      n = ::read(fd.get(), raw.data(), raw.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) return ErrnoStatus(errno, "read " + path);
    raw_at = 0;
    raw_size = static_cast<std::size_t>(n);
    raw_ended = n == 0;
    return OkStatus();
  }

  // Decodes some more; *ended when there is nothing more.
  Status Fill(bool* ended) {
    *ended = false;
    FODC_RETURN_IF_ERROR(ReadRaw());
    if (text_at > kPieceBytes) {
      text.erase(0, text_at);
      text_at = 0;
    }
    if (zstd == nullptr) {
      *ended = raw_ended;
      text.append(raw.data() + raw_at, raw_size - raw_at);
      raw_at = raw_size;
      return OkStatus();
    }
    const std::size_t old = text.size();
    text.resize(old + kPieceBytes);
    ZSTD_inBuffer in{raw.data(), raw_size, raw_at};
    ZSTD_outBuffer out{text.data() + old, kPieceBytes, 0};
    const std::size_t code = ZSTD_decompressStream(zstd.get(), &out, &in);
    raw_at = in.pos;
    text.resize(old + out.pos);
    if (ZSTD_isError(code) != 0) {
      return Bad(StrCat("damaged zstd data: ", ZSTD_getErrorName(code)));
    }
    if (out.pos > 0 || in.pos > 0) inside_frame = code != 0;
    if (raw_ended && out.pos == 0) {
      if (inside_frame) return Bad("the compressed file is cut short");
      *ended = true;
    }
    return OkStatus();
  }

  std::string_view view() const {
    return std::string_view(text).substr(text_at);
  }
};

FrameFile::FrameFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameFile::FrameFile(FrameFile&&) noexcept = default;
FrameFile& FrameFile::operator=(FrameFile&&) noexcept = default;
FrameFile::~FrameFile() = default;

const std::string& FrameFile::path() const { return impl_->path; }

Result<FrameFile> FrameFile::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!impl->fd.ok()) return ErrnoStatus(errno, "open " + path);
  impl->raw.resize(kPieceBytes);
  if (path.ends_with(".zst")) {
    impl->zstd.reset(ZSTD_createDStream());
    if (!impl->zstd) return ResourceExhausted("no memory to read " + path);
  }
  return FrameFile(std::move(impl));
}

Result<bool> FrameFile::Next(SavedFrame* frame) {
  Impl& f = *impl_;
  std::size_t head_end = 0;
  while ((head_end = f.view().find('\n')) == std::string_view::npos) {
    if (f.view().size() > kMaxHeadBytes) return f.Bad("no head line");
    bool ended = false;
    FODC_RETURN_IF_ERROR(f.Fill(&ended));
    if (!ended) continue;
    if (f.view().empty()) return false;
    return f.Bad("the file is cut short in a head line");
  }
  const std::string_view head = f.view().substr(0, head_end);
  const std::vector<std::string_view> words = Split(head, ' ');
  const auto number = [&](std::size_t i) { return ParseUint(words[i]); };
  if (words.size() != 5 || words[0] != "#@@" || !number(1) || !number(2) ||
      !number(3) || !number(4) || *number(2) > std::uint64_t{1} << 53 ||
      *number(3) > 999) {
    return f.Bad(StrCat("not a head line: ",
                        ToValidUtf8(head.substr(0, kMaxHeadBytes))));
  }
  const std::uint64_t body_bytes = *number(4);
  if (body_bytes > kMaxBodyBytes) {
    return f.Bad(StrCat("a body of ", body_bytes, " bytes; the limit is ",
                        kMaxBodyBytes));
  }
  frame->sequence = *number(1);
  frame->unix_ms = static_cast<std::int64_t>(*number(2));
  frame->http_status = static_cast<int>(*number(3));
  f.text_at += head_end + 1;
  while (f.view().size() < body_bytes) {
    bool ended = false;
    FODC_RETURN_IF_ERROR(f.Fill(&ended));
    if (ended) return f.Bad("the file is cut short in a body");
  }
  frame->body.assign(f.view().substr(0, body_bytes));
  f.text_at += body_bytes;
  ++f.frames;
  return true;
}

std::string_view FrameFileStem(std::string_view name) {
  for (const std::string_view suffix : {".frames.zst", ".frames"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.remove_suffix(suffix.size());
      return name;
    }
  }
  return {};
}

}  // namespace fodc::ctl
