// SPDX-License-Identifier: Apache-2.0
#include "tests/backup/object_peer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>
#include <filesystem>
#include <pugixml.hpp>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

// Of both: the one that is made beforehand, and the one that `run` makes.
constexpr char kBucket[] = "bucket";

std::string ScriptOf(ObjectPeer::Kind kind) {
  return SourcePath(kind == ObjectPeer::Kind::kAzurite
                        ? "build/peers/node_modules/azurite/dist/src/blob/"
                          "main.js"
                        : "build/peers/node_modules/s3rver/bin/s3rver.js");
}

constexpr char kVersion[] = "2021-12-02";  // of signatures

std::string InAnHour() {
  return FormatRfc3339(SystemClock().Unix() + std::chrono::hours(1), 0);
}

// By the account's key, as it stands in a query.
std::string SignatureOf(const std::string& text) {
  const std::string key = object_store::ParseBase64(kAzuriteKey).value_or("");
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  (void)::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(),
               digest, &bytes);
  return UrlEncode(
      object_store::Base64({reinterpret_cast<const char*>(digest), bytes}));
}

}  // namespace

std::string ObjectPeer::Missing(Kind kind) {
  if (FindProgram("node").empty()) return "there is no node";
  // What npm left when it failed is not to be run.
  const bool is_whole =
      std::filesystem::exists(SourcePath("build/peers/installed"));
  return is_whole && std::filesystem::exists(ScriptOf(kind))
             ? ""
             : "./dev has not installed the object stores of npm";
}

ObjectPeer::ObjectPeer(Kind kind, const std::string& directory)
    : kind_(kind),
      directory_(directory),
      endpoint_(StrCat("http://127.0.0.1:", port_)) {
  const std::string port = StrCat(port_);
  if (kind == Kind::kAzurite) {
    endpoint_ += StrCat("/", kAzuriteAccount);
    process_ = Process::Start(
        {.name = "azurite",
         .argv = {FindProgram("node"), ScriptOf(kind), "--blobHost",
                  "127.0.0.1", "--blobPort", port, "--inMemoryPersistence",
                  "--disableTelemetry", "--silent"},
         .env = {},
         .log_path = directory_ + "/azurite.log",
         .stdout_path = ""});
    return;
  }
  process_ = Process::Start(
      {.name = "s3rver",
       .argv = {FindProgram("node"), ScriptOf(kind), "-d",
                directory_ + "/s3rver", "-a", "127.0.0.1", "-p", port,
                "--no-vhost-buckets", "--configure-bucket", kBucket},
       // It encrypts its tokens of lists with DES.
       .env = {{"NODE_OPTIONS", "--openssl-legacy-provider"}},
       .log_path = directory_ + "/s3rver.log",
       .stdout_path = ""});
}

bool ObjectPeer::Answers() {
  bool answers = false;
  (void)WaitUntil([&] {
    answers = Get(endpoint_, 1s).status != 0;
    return answers || !process_.Running();
  });
  return answers;
}

std::string ObjectPeer::Destination(std::string_view name) const {
  return kind_ == Kind::kAzurite
             ? StrCat("azure://", kBucket, "/", name, "?endpoint=", endpoint_)
             : StrCat("s3://", kBucket, "/", name, "?endpoint=", endpoint_);
}

std::vector<std::string> ObjectPeer::Flags() const {
  if (kind_ == Kind::kS3rver) return {};
  return {StrCat("--azure-account-name=", kAzuriteAccount),
          StrCat("--azure-account-key=", kAzuriteKey)};
}

std::vector<std::pair<std::string, std::string>> ObjectPeer::Environment()
    const {
  // Nor what whoever runs the tests has for himself.
  return {{"HOME", directory_},
          {"no_proxy", "*"},
          {"AZURE_STORAGE_CONNECTION_STRING", ""},
          {"AWS_ACCESS_KEY_ID", "S3RVER"},
          {"AWS_SECRET_ACCESS_KEY", "S3RVER"}};
}

std::string ObjectPeer::ContainerUrl() const {
  return StrCat(endpoint_, "/", kBucket);
}

std::map<std::string, std::uint64_t> ObjectPeer::Objects() {
  const bool is_azurite = kind_ == Kind::kAzurite;
  const HttpAnswer answer =
      Get(StrCat(ContainerUrl(),
                 is_azurite ? "?restype=container&comp=list&" + Sas("rl")
                            : std::string("?list-type=2")),
          30s);
  std::map<std::string, std::uint64_t> objects;
  pugi::xml_document document;
  if (answer.status != 200 || !document.load_string(answer.body.c_str()))
    return objects;
  for (const auto& node :
       document.select_nodes(is_azurite ? "//Blob" : "//Contents")) {
    const pugi::xml_node object = node.node();
    objects[object.child_value(is_azurite ? "Name" : "Key")] =
        is_azurite ? object.child("Properties")
                         .child("Content-Length")
                         .text()
                         .as_ullong()
                   : object.child("Size").text().as_ullong();
  }
  return objects;
}

bool ObjectPeer::HasContainer() const {
  return Get(StrCat(ContainerUrl(), "?restype=container&", Sas("rl"))).status ==
         200;
}

std::size_t ObjectPeer::Parts(const std::string& key) {
  const std::string url = StrCat(ContainerUrl(), "/", key);
  if (kind_ == Kind::kAzurite) {
    const HttpAnswer answer =
        Get(StrCat(url, "?comp=blocklist&blocklisttype=committed&", Sas("r")));
    pugi::xml_document document;
    if (!document.load_string(answer.body.c_str())) return 0;
    return document.select_nodes("//CommittedBlocks/Block").size();
  }
  // Of what was in parts it tells nothing, but it logs requests.
  const std::string log = Log();
  const std::string request = StrCat("/", key, "?partNumber=");
  std::size_t parts = 0;
  for (std::size_t at = log.find(request); at != log.npos;
       at = log.find(request, at + 1)) {
    ++parts;
  }
  return parts;
}

bool ObjectPeer::ShowDirectory(const std::string& key) {
  return kind_ == Kind::kAzurite ||
         Request("PUT", StrCat(ContainerUrl(), "/", key, "/shown"), "x")
                 .status == 200;
}

std::string ObjectPeer::Sas(std::string_view permissions) {
  const std::string until = InAnHour();
  // No begin, no addresses, any protocol, no scope of encryption.
  return StrCat(
      "sv=", kVersion, "&ss=b&srt=sco&sp=", permissions,
      "&se=", UrlEncode(until), "&sig=",
      SignatureOf(StrCat(kAzuriteAccount, "\n", permissions, "\nb\nsco\n\n",
                         until, "\n\n\n", kVersion, "\n\n")));
}

std::string ObjectPeer::ContainerSas(std::string_view permissions) {
  const std::string until = InAnHour();
  // Beside that: no stored policy, no snapshot, no headers of answers.
  return StrCat("sv=", kVersion, "&sr=c&sp=", permissions,
                "&se=", UrlEncode(until), "&sig=",
                SignatureOf(StrCat(permissions, "\n\n", until, "\n/blob/",
                                   kAzuriteAccount, "/", kBucket, "\n\n\n\n",
                                   kVersion, "\nc\n\n\n\n\n\n\n")));
}

}  // namespace fodc::test
