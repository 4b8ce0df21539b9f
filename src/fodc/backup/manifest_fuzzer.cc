// SPDX-License-Identifier: Apache-2.0
// Manifests as they came from a destination that anybody may write to.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "fodc/backup/manifest.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace {

using namespace fodc;
using namespace fodc::backup;

// A file without a place on a disk.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("manifest", MFD_CLOEXEC)) {
    if (!fd_.ok()) std::abort();
  }
  void Write(std::string_view text) const {
    if (!WriteAll(fd_.get(), text, "manifest").ok()) std::abort();
  }
  std::string path() const { return StrCat("/proc/self/fd/", fd_.get()); }

 private:
  UniqueFd fd_;
};

struct Read {
  ManifestHeader header;
  std::vector<ManifestEntry> entries;
  ManifestTotals totals;
  bool is_whole = false;
};

Read ReadAll(const std::string& path) {
  Read all;
  auto reader = ManifestReader::Open(path);
  if (!reader.ok()) return all;
  all.header = reader->header();
  for (;;) {
    auto entry = reader->Next();
    if (!entry.ok()) return all;
    if (!*entry) break;
    if ((*entry)->path.empty()) std::abort();
    if (!all.entries.empty() && all.entries.back().path >= (*entry)->path)
      std::abort();
    all.entries.push_back(**std::move(entry));
  }
  all.totals = reader->totals();
  all.is_whole = true;
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const MemoryFile file;
  file.Write({reinterpret_cast<const char*>(data), size});
  const Read all = ReadAll(file.path());
  if (!all.is_whole) return 0;
  if (all.totals.files != all.entries.size()) std::abort();
  // What could be read can be written, and is the same then.
  const MemoryFile copy;
  auto writer = ManifestWriter::Create(copy.path(), all.header);
  if (!writer.ok()) std::abort();
  for (const ManifestEntry& entry : all.entries) {
    if (!writer->Add(entry).ok()) std::abort();
  }
  if (!writer->Finish(all.totals.ended).ok()) std::abort();
  const Read again = ReadAll(copy.path());
  if (!again.is_whole || again.header != all.header ||
      again.entries != all.entries || again.totals.ended != all.totals.ended) {
    std::abort();
  }
  return 0;
}
