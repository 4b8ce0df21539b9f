// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/log_tail.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/capture/careful_open.h"

namespace fodc::capture {
namespace {

// Enough for a private key that the first line is a part of.
constexpr std::uint64_t kLookBehind = 64u << 10;

// Up to the file's end as it is then; `bytes` at most.
Result<std::string> ReadAt(int fd, std::uint64_t from, std::size_t bytes,
                           const std::string& path) {
  std::string text(bytes, '\0');
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t n = ::pread(fd, text.data() + got, bytes - got,
                              static_cast<off_t>(from + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, StrCat("read ", path));
    if (n == 0) break;  // made shorter under way
    got += static_cast<std::size_t>(n);
  }
  text.resize(got);
  return text;
}

bool IsPrintable(unsigned char c) { return c >= 0x20 && c != 0x7f; }

// Text that a terminal and a JSON reader may be given.
void AppendReadable(std::string_view line, std::string* out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const bool is_utf8 = IsValidUtf8(line);
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t' || (IsPrintable(byte) && (is_utf8 || byte < 0x80))) {
      out->push_back(c);
    } else {
      *out += "\\x";
      out->push_back(kDigits[byte >> 4]);
      out->push_back(kDigits[byte & 15]);
    }
  }
}

std::string Readable(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::string readable;
  AppendReadable(line, &readable);
  return readable;
}

void AppendLines(std::string_view text, Redactor* redactor, std::string* out) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    redactor->AppendLine(Readable(text.substr(0, end)), out);
    if (end == std::string_view::npos) return;
    out->push_back('\n');
    text.remove_prefix(end + 1);
  }
}

void AppendOpenLine(std::string_view line, Redactor* redactor,
                    std::string* out) {
  redactor->AppendOpenLine(Readable(line), out);
}

// Not the first byte of a character of UTF-8.
bool IsInCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::vector<std::string> FindLogFiles(const std::vector<std::string>& patterns,
                                      std::size_t max, std::size_t* left_out) {
  struct Found {
    std::string path;
    timespec written;
    std::pair<dev_t, ino_t> file;
  };
  std::vector<Found> all;
  for (const std::string& pattern : patterns) {
    glob_t matches{};
    // NOLINTNEXTLINE(concurrency-mt-unsafe): neither ~ nor $VARIABLES in it
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &matches) == 0) {
      for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        struct stat s {};
        const char* path = matches.gl_pathv[i];
        if (::stat(path, &s) != 0 || !S_ISREG(s.st_mode)) continue;
        all.push_back({path, s.st_mtim, {s.st_dev, s.st_ino}});
      }
    }
    ::globfree(&matches);
  }
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
    if (a.written.tv_sec != b.written.tv_sec)
      return a.written.tv_sec > b.written.tv_sec;
    if (a.written.tv_nsec != b.written.tv_nsec)
      return a.written.tv_nsec > b.written.tv_nsec;
    return a.path < b.path;
  });
  std::vector<std::string> paths;
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (Found& found : all) {
    if (std::find(seen.begin(), seen.end(), found.file) != seen.end()) continue;
    seen.push_back(found.file);
    if (paths.size() < max) paths.push_back(std::move(found.path));
  }
  *left_out = seen.size() - paths.size();
  return paths;
}

Result<LogPiece> ReadFirstLines(const std::string& path,
                                std::size_t max_bytes) {
  struct stat found {};
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, OpenCarefully(path, &found));
  // One more tells whether there is more.
  FODC_ASSIGN_OR_RETURN(const std::string text,
                        ReadAt(fd.get(), 0, max_bytes + 1, path));
  std::string_view lines = text;
  LogPiece piece;
  if (lines.size() > max_bytes) {
    piece.is_cut = true;
    lines = lines.substr(0, max_bytes);
    const std::size_t feed = lines.rfind('\n');
    if (feed != lines.npos) lines = lines.substr(0, feed + 1);
  }
  Redactor redactor;
  if (piece.is_cut && !lines.ends_with('\n')) {
    AppendOpenLine(lines, &redactor, &piece.text);
  } else {
    AppendLines(lines, &redactor, &piece.text);
  }
  return piece;
}

Result<LogTail> LogTail::Open(const std::string& path) {
  struct stat found {};
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, OpenCarefully(path, &found));
  return LogTail(path, std::move(fd));
}

void LogTail::FromBeginning() {
  read_to_ = 0;
  done_to_ = 0;
  redactor_ = {};
}

void LogTail::Take(std::string_view lines, std::uint64_t at, std::string* out) {
  const std::size_t whole = lines.rfind('\n') + 1;
  AppendLines(lines.substr(0, whole), &redactor_, out);
  done_to_ = at + whole;
  if (whole == lines.size()) return;
  Redactor open = redactor_;
  AppendOpenLine(lines.substr(whole), &open, out);
}

Status LogTail::Append(std::size_t max_bytes, LogPiece* piece) {
  struct stat s {};
  if (::fstat(fd_.get(), &s) != 0)
    return ErrnoStatus(errno, StrCat("stat ", path_));
  const auto size = static_cast<std::uint64_t>(s.st_size);
  if (size < read_to_) {
    piece->was_truncated = true;
    FromBeginning();
  }
  piece->from = done_to_;
  if (size == read_to_) return {};
  const std::uint64_t begin =
      size - done_to_ > max_bytes ? size - max_bytes : done_to_;
  const std::uint64_t behind = std::min(begin - done_to_, kLookBehind);
  const std::uint64_t at = begin - behind;
  auto text = ReadAt(fd_.get(), at, static_cast<std::size_t>(size - at), path_);
  if (!text.ok()) return text.status();
  read_to_ = at + text->size();
  const std::string_view lines = *text;
  if (behind == 0) {
    Take(lines, at, &piece->text);
    return {};
  }
  piece->is_cut = true;
  // What the lines before say of those that are given: they may be the rest
  // of a secret.
  redactor_ = {};
  std::string unused;
  // The byte before tells whether a line begins at `begin`.
  const std::size_t feed =
      lines.find('\n', static_cast<std::size_t>(behind) - 1);
  if (feed < lines.size() && feed + 1 < lines.size()) {
    Take(lines.substr(0, feed + 1), at, &unused);
    Take(lines.substr(feed + 1), at + feed + 1, &piece->text);
    piece->from = at + feed + 1;
    return {};
  }
  // One long line: its end says more than nothing. What is secret in it is told
  // by how it begins.
  std::size_t line = lines.size();
  while (line > 0 && (line == lines.size() || lines[line - 1] != '\n')) --line;
  Take(lines.substr(0, line), at, &unused);
  std::string whole;
  Take(lines.substr(line), at + line, &whole);
  std::size_t cut = whole.size() - std::min(whole.size(), max_bytes);
  while (cut < whole.size() && IsInCharacter(whole[cut])) ++cut;
  piece->from = begin;
  piece->text.append(whole, cut);
  return {};
}

Result<LogPiece> LogTail::Last(std::size_t max_bytes) {
  LogPiece piece;
  FromBeginning();
  FODC_RETURN_IF_ERROR(Append(max_bytes, &piece));
  return piece;
}

Result<LogPiece> LogTail::More(std::size_t max_bytes) {
  LogPiece piece;
  struct stat mine {};
  if (fd_.ok()) {
    FODC_RETURN_IF_ERROR(Append(max_bytes, &piece));
    if (::fstat(fd_.get(), &mine) != 0) return piece;
  }
  struct stat now {};
  auto fd = OpenCarefully(path_, &now);
  if (!fd.ok()) {
    // Nobody has begun a new one.
    if (mine.st_nlink == 0) fd_.reset();
    return piece;
  }
  if (fd_.ok() && now.st_dev == mine.st_dev && now.st_ino == mine.st_ino)
    return piece;
  fd_ = std::move(*fd);
  FromBeginning();
  piece.was_rotated = true;
  if (!piece.text.empty() && piece.text.back() != '\n') piece.text += '\n';
  FODC_RETURN_IF_ERROR(
      Append(max_bytes - std::min(max_bytes, piece.text.size()), &piece));
  return piece;
}

}  // namespace fodc::capture
