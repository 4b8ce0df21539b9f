// SPDX-License-Identifier: Apache-2.0
// Any bytes as segments: the first byte says how many of the bytes (in 255ths)
// are a first segment, the rest is the last one.
#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/format.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {
namespace {

void Put(const std::string& path, std::string_view bytes) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  FODC_CHECK(fd.ok() && WriteAll(fd.get(), bytes, path).ok());
}

void Fuzz(std::string_view input) {
  static const TempDirectory dir("fodc-fuzz");
  for (const std::string& name : ListDirectory(dir.path()).value_or({})) {
    (void)::unlink(dir.File(name).c_str());
  }
  const std::size_t split =
      (input.size() - 1) * static_cast<unsigned char>(input[0]) / 255;
  input.remove_prefix(1);
  const bool has_two = split > 0;
  // What the last segment's name must be is for its header to say.
  std::uint64_t first = 1;
  if (const auto h = DecodeSegmentHeader(input.substr(split))) {
    first = h->first_sequence;
  }
  if (has_two) Put(dir.File(SegmentName(1)), input.substr(0, split));
  if (!has_two || first > 1) {
    Put(dir.File(SegmentName(first)), input.substr(split));
  }

  std::vector<std::string> strict;
  const auto looked = ReadOnly(dir.path(), [&](const Record& r) {
    strict.emplace_back(r.payload);
    return OkStatus();
  });
  std::size_t around = 0;
  ReadOptions options;
  options.on_damage = [](const Damage&) {};
  const auto passed = ReadOnly(
      dir.path(),
      [&](const Record&) {
        ++around;
        return OkStatus();
      },
      options);
  // What a careful reader gives, one that reads around damage gives as well.
  FODC_CHECK(!passed.ok() || around >= strict.size());

  Options open;
  open.on_repair = [](const RepairEvent&) {};
  auto log = Log::Open(dir.path(), open, SystemClock());
  FODC_CHECK(log.ok());
  std::size_t records = 0;
  const auto read = (*log)->Read([&](const Record& r) {
    FODC_CHECK(records < strict.size() && r.payload == strict[records]);
    ++records;
    return OkStatus();
  });
  FODC_CHECK(read.ok() == looked.ok());
  if (!read.ok() || read->last_sequence >= UINT64_MAX - 2) return;
  FODC_CHECK((*log)->Append(1, "after").ok());
  log->reset();
  const auto again = ReadOnly(dir.path(), nullptr);
  FODC_CHECK(again.ok() && again->tail == Tail::kEnd);
  FODC_CHECK(again->records == records + 1);
}

}  // namespace
}  // namespace fodc::wal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size > 0 && size < 100'000) {
    fodc::wal::Fuzz({reinterpret_cast<const char*>(data), size});
  }
  return 0;
}
