// SPDX-License-Identifier: Apache-2.0
// The log that the tests of damage damage.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/wal/format.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {

// A log of two segments with three records each, made once; every test puts
// variants of it into a directory of its own.
class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    TempDirectory made;
    Options options;
    options.segment_bytes = 29 + 3 * 29 + 42;
    auto log = Log::Open(made.path(), options, clock_);
    EXPECT_THAT((*log)->Read(nullptr), IsOk());
    for (const std::string& p : payloads_) {
      EXPECT_THAT((*log)->Append(3, p), IsOk());
    }
    EXPECT_EQ((*log)->segments().size(), 2u);
    first_ = *ReadFile((*log)->segments()[0].path);
    last_ = *ReadFile((*log)->segments()[1].path);
    std::size_t at = kSegmentHeaderBytes;
    for (std::size_t i = 3; i < 6; ++i) {
      at += kRecordOverheadBytes + payloads_[i].size();
      record_ends_.push_back(at);
    }
    EXPECT_EQ(at, last_.size());
  }

  std::string FirstPath() const { return dir_.File(SegmentName(1)); }
  std::string LastPath() const { return dir_.File(SegmentName(4)); }

  static void WritePlain(const std::string& path, std::string_view bytes) {
    FILE* f = ::fopen(path.c_str(), "we");
    ASSERT_NE(f, nullptr);
    ASSERT_EQ(::fwrite(bytes.data(), 1, bytes.size(), f), bytes.size());
    ASSERT_EQ(::fclose(f), 0);
  }
  // Makes the directory hold exactly this log.
  void Put(std::string_view first, std::string_view last) {
    for (const std::string& name : ListDirectory(dir_.path()).value_or({})) {
      ASSERT_EQ(::unlink(dir_.File(name).c_str()), 0);
    }
    WritePlain(FirstPath(), first);
    WritePlain(LastPath(), last);
  }

  // Opens and reads in the given mode.
  Result<ReadSummary> Read(Mode mode = Mode::kTail) {
    Options options;
    options.mode = mode;
    options.on_repair = [this](const RepairEvent& e) { events_.push_back(e); };
    auto log = Log::Open(dir_.path(), options, clock_);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    read_.clear();
    return log_->Read([this](const Record& r) {
      read_.emplace_back(r.payload);
      return OkStatus();
    });
  }
  std::vector<std::string> Expected(std::size_t records) const {
    return {payloads_.begin(),
            payloads_.begin() + static_cast<std::ptrdiff_t>(records)};
  }
  std::vector<std::string> Copies(std::string_view what = ".torn-") {
    std::vector<std::string> copies;
    for (const std::string& name : ListDirectory(dir_.path()).value_or({})) {
      if (name.find(what) != std::string::npos) copies.push_back(name);
    }
    return copies;
  }
  // The log takes another record and still reads whole.
  void ExpectWritable(std::size_t records) {
    ASSERT_THAT(log_->Append(5, "appended later"), IsOk());
    log_.reset();
    const auto again = Read();
    ASSERT_THAT(again, IsOk());
    EXPECT_FALSE(again->repaired);
    auto expected = Expected(records);
    expected.emplace_back("appended later");
    EXPECT_EQ(read_, expected);
    log_.reset();
  }

  FakeClock clock_;
  TempDirectory dir_;
  // The second is all zeros, the last one ends in zeros: they must not be
  // taken for space that was never written.
  const std::vector<std::string> payloads_ = {
      "alpha", std::string(20, '\0'),          "gamma with a tail",
      "delta", std::string("\0\0five\0\0", 8), std::string("six\0\0", 5)};
  std::string first_;
  std::string last_;
  std::vector<std::size_t> record_ends_;  // in the last segment
  std::unique_ptr<Log> log_;
  std::vector<std::string> read_;
  std::vector<RepairEvent> events_;
};

}  // namespace fodc::wal
