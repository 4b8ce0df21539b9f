// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/content.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {

Piece::~Piece() {
  if (counted_in_ != nullptr) counted_in_->fetch_sub(memory_.size());
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

void Piece::Read(std::uint64_t offset, char* out, std::size_t n) const {
  FODC_CHECK(offset + n <= size_);
  if (!kept_) {
    std::memset(out, 0, n);
    return;
  }
  if (path_.empty()) {
    std::memcpy(out, memory_.data() + offset, n);
    return;
  }
  // A descriptor for every object would soon be too many.
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok());
  for (std::size_t done = 0; done < n;) {
    const ssize_t got = ::pread(fd.get(), out + done, n - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    FODC_CHECK(got > 0);
    done += static_cast<std::size_t>(got);
  }
}

void Piece::FlipByte(std::uint64_t offset) {
  FODC_CHECK(offset < size_);
  if (!kept_) return;
  if (path_.empty()) {
    memory_[offset] = static_cast<char>(~memory_[offset]);
    return;
  }
  char byte = 0;
  Read(offset, &byte, 1);
  byte = static_cast<char>(~byte);
  const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok() &&
             ::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
}

void Content::Append(std::shared_ptr<Piece> piece) {
  size_ += piece->size();
  pieces_.push_back(std::move(piece));
}

void Content::Append(const Content& other) {
  size_ += other.size_;
  pieces_.insert(pieces_.end(), other.pieces_.begin(), other.pieces_.end());
}

void Content::Read(std::uint64_t offset, char* out, std::size_t n) const {
  for (const auto& piece : pieces_) {
    if (n == 0) return;
    if (offset >= piece->size()) {
      offset -= piece->size();
      continue;
    }
    const auto here = static_cast<std::size_t>(
        std::min<std::uint64_t>(n, piece->size() - offset));
    piece->Read(offset, out, here);
    out += here;
    n -= here;
    offset = 0;
  }
  FODC_CHECK(n == 0);
}

void Content::FlipByte(std::uint64_t offset) {
  for (const auto& piece : pieces_) {
    if (offset < piece->size()) {
      piece->FlipByte(offset);
      return;
    }
    offset -= piece->size();
  }
}

Body::Body(Vault* vault, std::uint64_t expected_size, Digests digests)
    : vault_(vault),
      digests_(std::move(digests)),
      piece_(std::make_shared<Piece>()) {
  if (vault == nullptr) return;
  if (vault->discard) {
    piece_->kept_ = false;
  } else if (expected_size <= vault->file_above &&
             vault->memory_used.load() + expected_size <= vault->memory_limit) {
    piece_->memory_.reserve(expected_size);
  }
}

Status Body::OpenFile() {
  Piece& p = *piece_;
  p.path_ = StrCat(vault_->directory, "/", FreshId());
  p.file_.reset(
      ::open(p.path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!p.file_.ok()) {
    p.path_.clear();
    return ErrnoStatus(errno, "create a file of a body");
  }
  const std::string held = std::exchange(p.memory_, std::string());
  return WriteAll(p.file_.get(), held, p.path_);
}

Status Body::Append(std::string_view bytes) {
  digests_.Update(bytes);
  Piece& p = *piece_;
  const std::uint64_t size = p.size_ + bytes.size();
  p.size_ = size;
  if (!p.kept_) return Status();
  if (vault_ == nullptr) {
    p.memory_.append(bytes);
    return Status();
  }
  if (p.path_.empty() &&
      (size > vault_->file_above ||
       vault_->memory_used.load() + size > vault_->memory_limit)) {
    FODC_RETURN_IF_ERROR(OpenFile());
  }
  if (!p.path_.empty()) return WriteAll(p.file_.get(), bytes, p.path_);
  p.memory_.append(bytes);
  return Status();
}

std::shared_ptr<Piece> Body::TakePiece() {
  piece_->file_.reset();
  if (vault_ != nullptr && piece_->path_.empty()) {
    vault_->memory_used.fetch_add(piece_->memory_.size());
    piece_->counted_in_ = &vault_->memory_used;
  }
  return piece_;
}

}  // namespace fodc::object_server
