// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/own_survival.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {
namespace {

struct Mapping {
  std::uint64_t size_kib = 0;
  std::uint64_t resident_kib = 0;
  bool is_locked = false;
};

std::optional<std::uint64_t> TakeHex(std::string_view* text, char end) {
  const std::size_t at = text->find(end);
  if (at == std::string_view::npos) return {};
  const std::uint64_t number =
      std::stoull(std::string(text->substr(0, at)), nullptr, 16);
  text->remove_prefix(at + 1);
  return number;
}

// What smaps(5) tells of the mapping that has the address.
Mapping MappingOf(std::uintptr_t address) {
  const auto text = ReadFile("/proc/self/smaps");
  EXPECT_TRUE(text.ok());
  Mapping mapping;
  bool is_it = false;
  std::string_view rest = *text;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    if (line.find('-') < line.find(' ')) {  // "begin-end flags ..."
      const auto begin = TakeHex(&line, '-');
      const auto end = TakeHex(&line, ' ');
      is_it = begin && end && address >= *begin && address < *end;
    } else if (is_it && ConsumePrefix(&line, "Size:")) {
      mapping.size_kib = NextUint(&line).value_or(0);
    } else if (is_it && ConsumePrefix(&line, "Rss:")) {
      mapping.resident_kib = NextUint(&line).value_or(0);
    } else if (is_it && ConsumePrefix(&line, "VmFlags:")) {
      mapping.is_locked = line.find(" lo") != std::string_view::npos;
    }
  }
  return mapping;
}

bool IsRefused(const Status& status) {
  if (status.ok()) return false;
  std::printf("SKIPPED: %s\n", status.ToString().c_str());
  return true;
}

TEST(LockedPagesTest, AreInMemoryFromTheStart) {
  const LockedPages pages(100'000);
  EXPECT_GE(pages.size(), 100'000U);
  if (IsRefused(pages.status())) GTEST_SKIP();
  const Mapping m = MappingOf(reinterpret_cast<std::uintptr_t>(pages.data()));
  EXPECT_TRUE(m.is_locked);
  EXPECT_EQ(m.resident_kib, m.size_kib);
}

TEST(LockCodeTest, AllOfTheProgramAndOfTheCLibrary) {
  if (IsRefused(LockCode())) GTEST_SKIP();
  for (const std::uintptr_t function :
       {reinterpret_cast<std::uintptr_t>(&LockCode),
        reinterpret_cast<std::uintptr_t>(&::syscall)}) {
    const Mapping m = MappingOf(function);
    EXPECT_GT(m.size_kib, 0U);
    EXPECT_TRUE(m.is_locked);
    EXPECT_EQ(m.resident_kib, m.size_kib);
  }
}

}  // namespace
}  // namespace fodc::guardian
