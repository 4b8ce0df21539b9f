// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/part_digests.h"

#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

TEST(PartDigests, AreThoseOfEachPart) {
  std::string text(1000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>(i % 251);
  const MemoryBlob blob(text);
  PartDigests parts(blob, 300, {.md5 = true});
  // In their order, and, as a session that is gone on with wants it, from
  // anywhere.
  for (const std::uint64_t offset : {0u, 300u, 600u, 900u, 300u, 900u}) {
    const MemoryBlob part(std::string_view(text).substr(offset, 300));
    EXPECT_EQ(parts.At(offset).bytes(), part.bytes());
    EXPECT_THAT(parts.Of(offset),
                IsOkAndHolds(*DigestsOf(part, {.md5 = true})));
  }
}

TEST(PartDigests, WhatCannotBeReadIsSaid) {
  class Broken final : public Blob {
   public:
    std::uint64_t bytes() const override { return 20; }
    Result<std::size_t> ReadAt(std::uint64_t offset, char*,
                               std::size_t bytes) const override {
      if (offset >= 10) return FailedPrecondition("shorter");
      return std::min<std::size_t>(bytes, 10 - offset);
    }
  } blob;
  PartDigests parts(blob, 10, {});
  EXPECT_THAT(parts.Of(0), IsOk());
  EXPECT_THAT(parts.Of(10), StatusIs(Code::kFailedPrecondition, "shorter"));
}

}  // namespace
}  // namespace fodc::object_store
