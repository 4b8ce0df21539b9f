// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/mapping.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "fodc/base/unique_fd.h"

namespace fodc::pprof {
namespace {

// A line is never longer: a path has at most PATH_MAX bytes (escapes apart,
// which only make it be cut).
constexpr std::size_t kLineBytes = 4096 + 256;
constexpr int kMaxProgramHeaders = 64;
constexpr std::size_t kMaxNoteBytes = 1024;

bool TakeNumber(std::string_view* text, int base, char end,
                std::uint64_t* value) {
  const char* last = text->data() + text->size();
  const auto [p, error] = std::from_chars(text->data(), last, *value, base);
  if (error != std::errc() || p == last || *p != end) return false;
  text->remove_prefix(static_cast<std::size_t>(p - text->data()) + 1);
  return true;
}

bool ReadAt(int fd, std::uint64_t offset, void* out, std::size_t size) {
  return pread(fd, out, size, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(size);
}

std::size_t Aligned(std::uint32_t size) {
  return (std::size_t{size} + 3) & ~3u;
}

// The build id among the notes, or nothing.
std::span<const std::uint8_t> FindBuildId(std::span<const std::uint8_t> notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr head;
    std::memcpy(&head, notes.data(), sizeof(head));
    notes = notes.subspan(sizeof(head));
    const std::size_t name = Aligned(head.n_namesz);
    if (name > notes.size()) return {};
    const std::size_t rest = notes.size() - name;
    if (head.n_descsz > rest) return {};
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
        std::memcmp(notes.data(), "GNU", 4) == 0) {
      return notes.subspan(name, head.n_descsz);
    }
    notes = notes.subspan(name + std::min(rest, Aligned(head.n_descsz)));
  }
  return {};
}

}  // namespace

std::string BuildIdText(const Mapping& m) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : m.build_id()) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<MapsLine> ParseMapsLine(std::string_view line) {
  MapsLine out;
  Mapping& m = out.mapping;
  if (!TakeNumber(&line, 16, '-', &m.start) ||
      !TakeNumber(&line, 16, ' ', &m.limit) || m.limit <= m.start) {
    return {};
  }
  if (line.size() < 5 || line[2] != 'x' || line[4] != ' ') return {};
  line.remove_prefix(5);
  std::uint64_t device = 0;
  if (!TakeNumber(&line, 16, ' ', &m.file_offset) ||
      !TakeNumber(&line, 16, ':', &device) ||
      !TakeNumber(&line, 16, ' ', &device)) {
    return {};
  }
  const char* last = line.data() + line.size();
  const auto inode = std::from_chars(line.data(), last, out.inode);
  if (inode.ec != std::errc()) return {};
  line.remove_prefix(static_cast<std::size_t>(inode.ptr - line.data()));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  line = line.substr(0, kMaxMappingPathBytes);
  std::copy(line.begin(), line.end(), m.path_data.begin());
  m.path_bytes = static_cast<std::uint16_t>(line.size());
  return out;
}

std::size_t ReadBuildId(const char* path, std::uint64_t inode,
                        std::span<std::uint8_t, kMaxBuildIdBytes> out) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat st = {};
  Elf64_Ehdr head;
  if (!fd.ok() || fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) ||
      st.st_ino != inode || !ReadAt(fd.get(), 0, &head, sizeof(head)) ||
      std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64 ||
      head.e_phentsize != sizeof(Elf64_Phdr)) {
    return 0;
  }
  const int headers = std::min<int>(head.e_phnum, kMaxProgramHeaders);
  for (int i = 0; i < headers; ++i) {
    Elf64_Phdr program;
    const std::uint64_t at =
        head.e_phoff + static_cast<std::uint64_t>(i) * sizeof(program);
    if (!ReadAt(fd.get(), at, &program, sizeof(program))) return 0;
    if (program.p_type != PT_NOTE) continue;
    std::array<std::uint8_t, kMaxNoteBytes> notes;
    const std::size_t size =
        std::min<std::uint64_t>(program.p_filesz, kMaxNoteBytes);
    if (!ReadAt(fd.get(), program.p_offset, notes.data(), size)) continue;
    const auto id = FindBuildId({notes.data(), size});
    if (id.empty() || id.size() > out.size()) continue;
    std::copy(id.begin(), id.end(), out.begin());
    return id.size();
  }
  return 0;
}

MappingCount ReadMappings(const char* maps_path, std::span<Mapping> out) {
  const int kept_errno = errno;
  MappingCount done;
  const UniqueFd fd(open(maps_path, O_RDONLY | O_CLOEXEC));
  std::array<char, kLineBytes> buffer;
  std::size_t held = 0;
  while (fd.ok()) {
    const ssize_t n =
        read(fd.get(), buffer.data() + held, buffer.size() - held);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    held += static_cast<std::size_t>(n);
    std::string_view rest(buffer.data(), held);
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;
         rest.remove_prefix(end + 1)) {
      const std::optional<MapsLine> line = ParseMapsLine(rest.substr(0, end));
      if (!line) continue;
      if (done.count == out.size()) {
        ++done.left_out;
        continue;
      }
      Mapping& m = out[done.count++];
      m = line->mapping;
      if (m.path_bytes == 0 || m.path_data[0] != '/') continue;
      // The rest of a library's code has the build id of its first piece.
      const Mapping* before = done.count > 1 ? &out[done.count - 2] : nullptr;
      if (before != nullptr && before->path() == m.path()) {
        m.build_id_bytes = before->build_id_bytes;
        m.build_id_data = before->build_id_data;
      } else {
        m.build_id_bytes = static_cast<std::uint8_t>(
            ReadBuildId(m.path_data.data(), line->inode, m.build_id_data));
      }
    }
    // A line that fills the buffer is none of the kernel's: dropped.
    held = rest.size() == buffer.size() ? 0 : rest.size();
    std::memmove(buffer.data(), rest.data(), held);
  }
  errno = kept_errno;
  return done;
}

const Mapping* FindMapping(std::span<const Mapping> mappings,
                           std::uint64_t address) {
  const auto after = std::partition_point(
      mappings.begin(), mappings.end(),
      [address](const Mapping& m) { return m.limit <= address; });
  if (after == mappings.end() || !after->Contains(address)) return nullptr;
  return &*after;
}

}  // namespace fodc::pprof
