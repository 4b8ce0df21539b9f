// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/frame_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::ctl {
namespace {

using testing::HasSubstr;

class FrameFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    EXPECT_THAT(WriteFileAtomically(dir_.File(name), bytes), IsOk());
    return dir_.File(name);
  }
  // Reads all frames; the first failure.
  static Status ReadAll(const std::string& path,
                        std::vector<SavedFrame>* frames) {
    FODC_ASSIGN_OR_RETURN(FrameFile file, FrameFile::Open(path));
    for (;;) {
      SavedFrame frame;
      FODC_ASSIGN_OR_RETURN(const bool more, file.Next(&frame));
      if (!more) return OkStatus();
      frames->push_back(frame);
    }
  }
  static std::string Compress(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(
        ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
  }
  TempDirectory dir_;
};

TEST_F(FrameFileTest, ReadsPlainAndCompressedFramesWithGaps) {
  std::string text;
  const std::string big(1 << 20, 'x');
  for (int i = 0; i < 5; ++i) {
    const std::string body = i == 2 ? "" : StrCat("a ", i, "\n", big);
    text += StrCat("#@@ ", i, " ", 1000 + i, " ", i == 2 ? 0 : 200, " ",
                   body.size(), "\n", body);
  }
  for (const std::string& path :
       {Write("x.frames", text), Write("x.frames.zst", Compress(text))}) {
    std::vector<SavedFrame> frames;
    ASSERT_THAT(ReadAll(path, &frames), IsOk());
    ASSERT_EQ(frames.size(), 5U);
    EXPECT_EQ(frames[4].sequence, 4U);
    EXPECT_EQ(frames[4].unix_ms, 1004);
    EXPECT_EQ(frames[4].body, "a 4\n" + big);
    EXPECT_EQ(frames[2].http_status, 0);
    EXPECT_EQ(frames[2].body, "");
  }
}

TEST_F(FrameFileTest, NamesFileAndFrameOfWhatIsBad) {
  const std::string good = "#@@ 1 1000 200 4\na 1\n";
  for (const std::string& bad :
       {std::string("#@@ 2 1000 200 9\na 1\n"), std::string("#@@ 2 1000"),
        std::string("nonsense\n"), std::string(500, 'z'),
        std::string("#@@ 2 1000 200 99999999999\n"),
        std::string("#@@ 2 x 200 4\na 1\n")}) {
    std::vector<SavedFrame> frames;
    const std::string path = Write("y.frames", good + bad);
    EXPECT_THAT(ReadAll(path, &frames),
                StatusIs(Code::kDataLoss, HasSubstr(path + ": frame 2: ")))
        << bad;
    EXPECT_EQ(frames.size(), 1U);
  }
  std::string compressed = Compress(good + good);
  compressed.resize(compressed.size() - 3);
  std::vector<SavedFrame> frames;
  EXPECT_THAT(ReadAll(Write("z.frames.zst", compressed), &frames),
              StatusIs(Code::kDataLoss, HasSubstr("z.frames.zst")));
  EXPECT_THAT(ReadAll(Write("z.frames.zst", "no zstd"), &frames),
              StatusIs(Code::kDataLoss, HasSubstr("zstd")));
  EXPECT_THAT(ReadAll(dir_.File("none"), &frames),
              StatusIs(Code::kNotFound, HasSubstr("none")));
}

TEST_F(FrameFileTest, StemsOfNames) {
  EXPECT_EQ(FrameFileStem("etcd.frames.zst"), "etcd");
  EXPECT_EQ(FrameFileStem("a.b.frames"), "a.b");
  EXPECT_EQ(FrameFileStem("README.md"), "");
  EXPECT_EQ(FrameFileStem(".frames"), "");
  EXPECT_EQ(FrameFileStem("x.zst"), "");
}

}  // namespace
}  // namespace fodc::ctl
