// SPDX-License-Identifier: Apache-2.0
// fodc-backup against an object store that other people wrote.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/backup/object_peer.h"
#include "tests/backup/run_fixture.h"

namespace fodc::test {

class PeerFixture : public BackupProgramTest {
 protected:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // Whether it runs; else the test is skipped, or has failed.
  void StartPeer(ObjectPeer::Kind kind) {
    const std::string missing = ObjectPeer::Missing(kind);
    if (!missing.empty()) GTEST_SKIP() << "SKIPPED: " << missing;
    ASSERT_TRUE(MakeDirectories(dir_.File("peer")).ok());
    peer_.emplace(kind, dir_.File("peer"));
    ASSERT_TRUE(peer_->Answers()) << peer_->Log();
  }

  // Without the flags by which the peer lets us in.
  Output RunBare(std::vector<std::string> arguments,
                 const Environment& more = {}) const {
    Environment environment = peer_->Environment();
    for (const auto& variable : more) {
      std::erase_if(environment,
                    [&](const auto& v) { return v.first == variable.first; });
      environment.push_back(variable);
    }
    arguments.insert(arguments.begin(), ProgramPath("fodc-backup"));
    arguments.push_back("--log-level=warn");
    return RunToEnd(std::move(arguments), std::chrono::seconds(120),
                    environment);
  }
  Output Run(std::vector<std::string> arguments) const {
    for (std::string& flag : peer_->Flags())
      arguments.push_back(std::move(flag));
    return RunBare(std::move(arguments));
  }

  std::string Destination() const { return peer_->Destination("base/db-0"); }
  std::vector<std::string> BackupArguments(
      std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"run", "--dest=" + Destination(), "--snapshot-dir=" + tree_,
                 "--catalog-name=measure", "--node-id=db-0"});
    return more;
  }
  // What a run tells of its one catalog; -1: nothing.
  struct Told {
    std::string line{};
    std::string time_dir{};
    int uploaded = -1;
    int unchanged = -1;
    int copied = -1;
    int deleted = -1;
  };
  // Of a run that must succeed.
  Told Backup(std::vector<std::string> more = {}) const {
    const Output run = Run(BackupArguments(std::move(more)));
    EXPECT_EQ(run.exit_code, 0) << run.err << run.out;
    Told told{.line = run.out};
    const auto line = nlohmann::json::parse(run.out, nullptr, false);
    if (!line.is_object() ||
        !line.contains(nlohmann::json::json_pointer("/catalogs/0"))) {
      return told;
    }
    const nlohmann::json& catalog = line["catalogs"][0];
    told.time_dir = line.value("time_dir", "");
    told.uploaded = catalog.value("uploaded", -1);
    told.copied = catalog.value("copied", -1);
    told.unchanged = catalog.value("unchanged", -1);
    told.deleted = catalog.value("deleted", -1);
    return told;
  }
  // Below which the tree of that run lies.
  static std::string PrefixOf(const Told& backup) {
    return "base/db-0/" + backup.time_dir;
  }
  // All of it is there with its bytes, says `verify`, and comes back.
  void ExpectComesBack(const Told& backup) {
    ASSERT_TRUE(peer_->ShowDirectory(PrefixOf(backup)));
    const Output verify =
        Run({"verify", "--dest=" + Destination(), "--read-data"});
    EXPECT_EQ(verify.exit_code, 0) << verify.err << verify.out;
    const TempDirectory root("fodc-restored");
    const Output create =
        RunBare({"restore", "timedir", "create", backup.time_dir,
                 "--catalog=measure", "--measure-root=" + root.path()});
    EXPECT_EQ(create.exit_code, 0) << create.err;
    const Output restore =
        Run({"restore", "run", "--source=" + Destination(),
             "--measure-root-path=" + root.path(), "--grpc-addr=127.0.0.1:1"});
    EXPECT_EQ(restore.exit_code, 0) << restore.err;
    EXPECT_EQ(FilesIn(root.File("measure/data")), FilesIn(tree_));
  }
  void Write(const std::string& path, std::string_view bytes) const {
    const std::string full = StrCat(tree_, "/", path);
    ASSERT_TRUE(MakeDirectories(full.substr(0, full.rfind('/'))).ok());
    const Status s = WriteFileAtomically(full, bytes);
    ASSERT_TRUE(s.ok()) << s.message();
  }
  // Bytes that tell a part from another.
  static std::string Bytes(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (char& c : bytes) {
      state = state * 1664525 + 1013904223;
      c = static_cast<char>(state >> 24);
    }
    return bytes;
  }

  const std::string tree_ = dir_.File("tree");
  std::optional<ObjectPeer> peer_;
};

}  // namespace fodc::test
