// SPDX-License-Identifier: Apache-2.0
// Over the tree of a real node, with its real answers: what lies at the
// destination is what the Go original put there, and what comes back is the
// tree.
#include <gmock/gmock.h>

#include <ctime>

#include "fodc/object_store/base64.h"
#include "tests/backup/node.h"
#include "tests/backup/run_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr char kSnapshot[] = "20261121080023-00000002";
// The answer of that call, as recorded.
constexpr char kAnswer[] =
    "CisIAxInc2NoZW1hLXByb3BlcnR5LzIwMjYxMTIxMDgwMDIzLTAwMDAwMDAyChsIAxIXMjAyNj"
    "ExMjEwODAwMjMtMDAwMDAwMDIKGwgCEhcyMDI2MTEyMTA4MDAyMy0wMDAwMDAwMgobCAESFzIw"
    "MjYxMTIxMDgwMDIzLTAwMDAwMDAyChsIBBIXMjAyNjExMjEwODAwMjMtMDAwMDAwMDI=";

class RecordedBackupTest : public BackupProgramTest {
 protected:
  void SetUp() override {
    const Output tar =
        RunToEnd({FindProgram("tar"), "-I", "zstd", "-xf",
                  SourcePath("tests/data/backup/snapshot-tree.tar.zst"), "-C",
                  dir_.path()});
    ASSERT_EQ(tar.exit_code, 0) << tar.err;
    // It was empty, and an archive of files does not tell of it.
    ASSERT_TRUE(MakeDirectories(dir_.File(StrCat("property/snapshots/",
                                                 kSnapshot, "/data")))
                    .ok());
    ASSERT_TRUE(
        node_.answer.ParseFromString(*object_store::ParseBase64(kAnswer)));
  }
  std::vector<std::string> Roots(std::string_view ending) const {
    std::vector<std::string> flags;
    for (const char* name :
         {"stream", "measure", "property", "trace", "schema"})
      flags.push_back(StrCat("--", name, "-root", ending, "=", dir_.path()));
    return flags;
  }
  Output Backup() const {
    std::vector<std::string> arguments = Roots("-path");
    arguments.insert(arguments.begin(),
                     {"run", "--grpc-addr=" + node_.address(),
                      "--dest=" + Destination(), "--node-id=db-0"});
    return Run(std::move(arguments));
  }
  // The one time directory; the day of the recording is another.
  std::string Day() const {
    const auto names = ListDirectory(dir_.File("there"));
    return names.ok() && names->size() == 1 ? names->front() : "none";
  }
  static std::map<std::string, std::string> Recorded() {
    std::map<std::string, std::string> files;
    const std::string text =
        ReadFile(SourcePath("tests/data/backup/destination.tsv")).value_or("");
    for (const std::string_view line : Split(text, '\n')) {
      const auto fields = Split(line, '\t');
      if (fields.size() != 3) continue;
      files[std::string(fields[2].substr(fields[2].find('/') + 1))] =
          StrCat(fields[0], " ", fields[1]);
    }
    return files;
  }

  BackupNode node_;
};

TEST_F(RecordedBackupTest, IsTheOriginalsAndComesBack) {
  const Output first = Backup();
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  EXPECT_THAT(first.out, HasSubstr("\"result\":\"success\""));
  auto there = FilesIn(dir_.File("there/" + Day()));
  std::erase_if(there,
                [](const auto& f) { return f.first.starts_with(".meta/"); });
  const auto recorded = Recorded();
  ASSERT_EQ(recorded.size(), 282U);
  EXPECT_THAT(there, ElementsAreArray(recorded));

  // The second saw the same.
  const Output second = Backup();
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("\"unchanged\":71,\"uploaded\":0"));

  const std::string root = dir_.File("restored");
  std::vector<std::string> create = {"restore", "timedir", "create", Day()};
  std::vector<std::string> restore = {
      "restore", "run", "--source=" + Destination(), "--grpc-addr=127.0.0.1:1"};
  for (const char* name :
       {"stream", "measure", "property", "trace", "schema"}) {
    create.push_back(StrCat("--", name, "-root=", root));
    restore.push_back(StrCat("--", name, "-root-path=", root));
  }
  ASSERT_EQ(Run(create).exit_code, 0);
  EXPECT_EQ(ReadFile(root + "/measure/time-dir").value_or(""), Day());
  const Output refused = Run(restore);
  // Nothing was backed up of the properties, and nobody shall wipe what is
  // here.
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("property"));
  std::map<std::string, std::string> back;
  for (const auto& [path, what] : FilesIn(root)) {
    const std::size_t data = path.find("/data/");
    if (data != path.npos)
      back[path.substr(0, data) + path.substr(data + 5)] = what;
  }
  EXPECT_THAT(back, ElementsAreArray(recorded));
  EXPECT_FALSE(ReadFile(root + "/measure/time-dir").ok());
}

// While the node answers its files are its own.
TEST_F(RecordedBackupTest, IsNotRestoredUnderANode) {
  ASSERT_EQ(Backup().exit_code, 0);
  const std::string root = dir_.File("restored");
  ASSERT_EQ(Run({"restore", "timedir", "create", Day(), "--catalog=measure",
                 "--measure-root=" + root})
                .exit_code,
            0);
  const Output refused =
      Run({"restore", "run", "--source=" + Destination(),
           "--measure-root-path=" + root, "--grpc-addr=" + node_.address()});
  EXPECT_EQ(refused.exit_code, 5) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("stop it"));
  EXPECT_TRUE(ReadFile(root + "/measure/time-dir").ok());
}

}  // namespace
}  // namespace fodc::test
