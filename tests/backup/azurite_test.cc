// SPDX-License-Identifier: Apache-2.0
// How Azure lets us in, and what is there before anything was backed up, at a
// store that checks signatures.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/backup/peer_fixture.h"

namespace fodc::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Base64, of nobody.
constexpr char kWrongKey[] = "bm90IHRoZSBrZXkgb2YgdGhpcyBhY2NvdW50";

class AzuriteTest : public PeerFixture {
 protected:
  void SetUp() override {
    StartPeer(ObjectPeer::Kind::kAzurite);
    if (IsSkipped() || HasFatalFailure()) return;
    Write("a", "aaa");
  }
  // A backup, `list` and `verify` by these flags and variables alone.
  void ExpectLetsIn(const std::vector<std::string>& flags,
                    const Environment& environment = {}) const {
    const auto with = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.end(), flags.begin(), flags.end());
      return RunBare(std::move(arguments), environment);
    };
    const Output run = with(BackupArguments());
    EXPECT_EQ(run.exit_code, 0) << run.err << run.out;
    EXPECT_THAT(run.out, HasSubstr("\"uploaded\":1"));
    const Output list = with({"list", "--dest=" + Destination()});
    EXPECT_EQ(list.exit_code, 0) << list.err;
    EXPECT_THAT(list.out, HasSubstr("complete"));
    const Output verify =
        with({"verify", "--dest=" + Destination(), "--read-data"});
    EXPECT_EQ(verify.exit_code, 0) << verify.err;
    EXPECT_THAT(verify.out, HasSubstr("good"));
    // And without any it is closed.
    EXPECT_NE(RunBare({"list", "--dest=" + Destination()}).exit_code, 0);
  }
  // Exit code 1 with the server's word and no secret, and nothing is written.
  void ExpectRefused(const std::vector<std::string>& flags,
                     std::string_view secret, const std::string& why) const {
    std::vector<std::string> arguments = BackupArguments();
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Output run = RunBare(std::move(arguments));
    EXPECT_EQ(run.exit_code, 1) << run.err;
    EXPECT_THAT(run.err, HasSubstr(why));
    EXPECT_THAT(run.err + run.out, Not(HasSubstr(secret)));
  }
  std::string SecretFile(std::string_view text) const {
    std::string file = dir_.File("secret");
    EXPECT_TRUE(WriteFileAtomically(file, text, 0600).ok());
    return file;
  }
  const std::string name_ = StrCat("--azure-account-name=", kAzuriteAccount);
};

TEST_F(AzuriteTest, LetsInByTheKeyOfTheAccount) {
  ExpectLetsIn({name_, StrCat("--azure-account-key=", kAzuriteKey)});
}

TEST_F(AzuriteTest, LetsInByAFileWithTheKey) {
  // As editors leave it.
  ExpectLetsIn({name_, "--azure-account-key-file=" +
                           SecretFile(StrCat(kAzuriteKey, "\n"))});
}

TEST_F(AzuriteTest, LetsInByAConnectionString) {
  ExpectLetsIn({}, {{"AZURE_STORAGE_CONNECTION_STRING",
                     StrCat("DefaultEndpointsProtocol=http;AccountName=",
                            kAzuriteAccount, ";AccountKey=", kAzuriteKey,
                            ";BlobEndpoint=", peer_->endpoint(), ";")}});
}

TEST_F(AzuriteTest, LetsInByASharedAccessSignature) {
  ExpectLetsIn({"--azure-sas-token=?" + ObjectPeer::Sas("racwdl")});
}

// Such a one does not let look at the container, nor make it.
TEST_F(AzuriteTest, LetsInByASignatureOfTheContainer) {
  const std::vector<std::string> flags = {"--azure-sas-token=" +
                                          ObjectPeer::ContainerSas("racwdl")};
  std::vector<std::string> run = BackupArguments();
  run.push_back(flags[0]);
  const Output absent = RunBare(std::move(run));
  EXPECT_EQ(absent.exit_code, 1) << absent.out;
  EXPECT_THAT(absent.err, HasSubstr("ContainerNotFound"));
  EXPECT_FALSE(peer_->HasContainer());
  Backup();
  ASSERT_TRUE(std::filesystem::remove(tree_ + "/a"));
  Write("b", "bbb");
  ExpectLetsIn(flags);
}

TEST_F(AzuriteTest, LetsInByAFileWithTheSignature) {
  ExpectLetsIn({"--azure-sas-token-file=" +
                SecretFile(ObjectPeer::Sas("racwdl") + "\n")});
}

TEST_F(AzuriteTest, LetsInByASignatureInAConnectionString) {
  ExpectLetsIn(
      {}, {{"AZURE_STORAGE_CONNECTION_STRING",
            StrCat("BlobEndpoint=", peer_->endpoint(),
                   "/;SharedAccessSignature=", ObjectPeer::Sas("racwdl"))}});
}

TEST_F(AzuriteTest, AWrongKeyIsToldAndWritesNothing) {
  const std::vector<std::string> wrong = {
      name_, StrCat("--azure-account-key=", kWrongKey)};
  // Neither where nothing is, nor where something is.
  ExpectRefused(wrong, kWrongKey, "AuthorizationFailure");
  EXPECT_FALSE(peer_->HasContainer());
  Backup();
  const auto before = peer_->Objects();
  Write("b", "bbb");
  ExpectRefused(wrong, kWrongKey, "AuthorizationFailure");
  EXPECT_EQ(peer_->Objects(), before);
  for (const char* command : {"list", "verify"}) {
    const Output output =
        RunBare({command, "--dest=" + Destination(), wrong[0], wrong[1]});
    EXPECT_EQ(output.exit_code, 1) << output.err;
    EXPECT_THAT(output.err, HasSubstr("AuthorizationFailure"));
  }
}

TEST_F(AzuriteTest, ASignatureThatLetsOnlyReadWritesNothing) {
  Backup();
  const auto before = peer_->Objects();
  Write("b", "bbb");
  const std::string sas = ObjectPeer::Sas("rl");
  ExpectRefused({"--azure-sas-token=" + sas}, sas.substr(sas.find("sig=") + 4),
                "AuthorizationPermissionMismatch");
  EXPECT_EQ(peer_->Objects(), before);
  // It is enough for who only looks.
  const Output list =
      RunBare({"list", "--dest=" + Destination(), "--azure-sas-token=" + sas});
  EXPECT_EQ(list.exit_code, 0) << list.err;
}

TEST_F(AzuriteTest, ARunMakesTheContainerAndNothingElseDoes) {
  const std::string root = dir_.File("restored");
  ASSERT_EQ(RunBare({"restore", "timedir", "create", "2026-11-24",
                     "--catalog=measure", "--measure-root=" + root})
                .exit_code,
            0);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {"list", "--dest=" + Destination()},
           {"verify", "--dest=" + Destination()},
           {"prune", "--dest=" + Destination(), "--keep-last=1", "--prune"},
           {"restore", "timedir", "list", "--dest=" + Destination()},
           {"restore", "run", "--source=" + Destination(),
            "--measure-root-path=" + root, "--grpc-addr=127.0.0.1:1"}}) {
    const Output output = Run(arguments);
    EXPECT_EQ(output.exit_code, 1) << arguments[0] << output.out;
    EXPECT_THAT(output.err, HasSubstr("ContainerNotFound")) << arguments[0];
    EXPECT_FALSE(peer_->HasContainer()) << arguments[0];
  }
  // What asked for the restore is still there, for when it can be.
  EXPECT_TRUE(ReadFile(root + "/measure/time-dir").ok());
  EXPECT_EQ(Backup({"--dry-run"}).uploaded, 1);
  EXPECT_FALSE(peer_->HasContainer());
  Backup();
  EXPECT_TRUE(peer_->HasContainer());
  EXPECT_THAT(peer_->Objects(), Not(IsEmpty()));
  // It is there now, and that is no failure.
  Backup();
}

}  // namespace
}  // namespace fodc::test
