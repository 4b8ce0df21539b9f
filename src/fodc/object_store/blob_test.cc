// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/blob.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fodc/base/crc32c.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/object_store/digests.h"

namespace fodc::object_store {
namespace {

using ::testing::HasSubstr;

constexpr char kHelloSha256[] =
    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

class FileBlobTest : public ::testing::Test {
 protected:
  FileBlob Open(std::string_view bytes) {
    EXPECT_THAT(WriteFileAtomically(path_, bytes), IsOk());
    return {UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)), bytes.size(),
            "the file"};
  }
  const TempDirectory dir_;
  const std::string path_ = dir_.File("f");
};

TEST_F(FileBlobTest, IsReadFromAnywhere) {
  const FileBlob blob = Open("hello");
  EXPECT_EQ(blob.bytes(), 5u);
  char buffer[8] = {};
  EXPECT_THAT(blob.ReadAt(1, buffer, 3), IsOkAndHolds(3u));
  EXPECT_EQ(std::string_view(buffer, 3), "ell");
  EXPECT_THAT(blob.ReadAt(3, buffer, 8), IsOkAndHolds(2u));
  EXPECT_THAT(blob.ReadAt(5, buffer, 8), IsOkAndHolds(0u));
  EXPECT_THAT(blob.ReadAt(9, buffer, 8), IsOkAndHolds(0u));
}

TEST_F(FileBlobTest, SaysThatItHasChanged) {
  const FileBlob blob = Open("hello");
  EXPECT_THAT(blob.Check(), IsOk());
  ASSERT_EQ(::truncate(path_.c_str(), 3), 0);
  char buffer[8];
  EXPECT_THAT(blob.ReadAt(0, buffer, 5),
              StatusIs(Code::kFailedPrecondition,
                       HasSubstr("the file has shrunk to 3 bytes of 5")));
  ASSERT_EQ(::truncate(path_.c_str(), 9), 0);
  EXPECT_THAT(blob.Check(),
              StatusIs(Code::kFailedPrecondition,
                       HasSubstr("the file has 9 bytes now, and had 5")));
}

TEST_F(FileBlobTest, HasDigests) {
  const std::string large(3'000'000, 'x');
  const FileBlob blob = Open(large);
  EXPECT_EQ(*DigestsOf(blob, {.md5 = true, .crc32c = true}),
            *DigestsOf(MemoryBlob(large), {.md5 = true, .crc32c = true}));
}

TEST(DigestsTest, AreTheStandards) {
  const auto digests =
      DigestsOf(MemoryBlob("hello"), {.md5 = true, .crc32c = true});
  ASSERT_THAT(digests, IsOk());
  EXPECT_EQ(Sha256Text(digests->sha256), kHelloSha256);
  EXPECT_EQ((*digests->md5)[0], 0x5d);
  EXPECT_EQ((*digests->md5)[15], 0x92);
  EXPECT_EQ(digests->crc32c, Crc32c("hello"));
  const auto less = DigestsOf(MemoryBlob(""), {});
  EXPECT_FALSE(less->md5 || less->crc32c);
}

TEST(DigestsTest, AreReadBack) {
  const auto digests = DigestsOf(MemoryBlob("hello"), {});
  EXPECT_EQ(ParseSha256(kHelloSha256), digests->sha256);
  EXPECT_FALSE(ParseSha256(""));
  EXPECT_FALSE(ParseSha256(std::string(64, 'g')));
  EXPECT_FALSE(ParseSha256(std::string(64, 'A')));
  EXPECT_FALSE(ParseSha256(std::string(63, 'a')));
}

TEST(MemoryBlobTest, IsReadFromAnywhere) {
  const MemoryBlob blob("hello");
  char buffer[8] = {};
  EXPECT_THAT(blob.ReadAt(3, buffer, 8), IsOkAndHolds(2u));
  EXPECT_THAT(blob.ReadAt(7, buffer, 8), IsOkAndHolds(0u));
}

}  // namespace
}  // namespace fodc::object_store
