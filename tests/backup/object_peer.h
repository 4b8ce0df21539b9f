// SPDX-License-Identifier: Apache-2.0
// Object stores that other people wrote, each a process of its own: what our
// servers in tests and our client understand alike, and wrongly, they do not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/process.h"

namespace fodc::test {

// Of Azurite, in its documentation: no secret.
inline constexpr char kAzuriteAccount[] = "devstoreaccount1";
inline constexpr char kAzuriteKey[] =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==";

class ObjectPeer {
 public:
  enum class Kind { kAzurite, kS3rver };

  // Why it cannot run here; empty if it can.
  static std::string Missing(Kind kind);

  // Starts it; what it writes goes below `directory`, which must be there. From
  // the main thread, as Process.
  ObjectPeer(Kind kind, const std::string& directory);

  // Whether it did within a minute.
  bool Answers();
  std::string Log() const { return process_.Log(); }

  // "http://127.0.0.1:PORT", for Azurite with the account.
  const std::string& endpoint() const { return endpoint_; }
  // Where a test of this name backs up to.
  std::string Destination(std::string_view name) const;
  // Flags by which it lets us in, and variables.
  std::vector<std::string> Flags() const;
  std::vector<std::pair<std::string, std::string>> Environment() const;

  // What it has, asked without any of our client: bytes by key, of at most 1000
  // objects. Nothing where there is no container.
  std::map<std::string, std::uint64_t> Objects();
  // Of Azurite alone; the other's is made beforehand.
  bool HasContainer() const;
  // In how many parts it got the object; 0: in one piece.
  std::size_t Parts(const std::string& key);

  // s3rver tells of a common prefix only if some object lies right below it,
  // which S3 does not ask for: puts one there, of no catalog.
  bool ShowDirectory(const std::string& key);

  // A signature of Azurite's account that lets do what `permissions` say for an
  // hour: "rl", "racwdl".
  static std::string Sas(std::string_view permissions);
  // One of the container alone, as it is given to who shall see no other.
  static std::string ContainerSas(std::string_view permissions);

 private:
  std::string ContainerUrl() const;

  Kind kind_;
  std::uint16_t port_ = FreePort();
  std::string directory_;
  std::string endpoint_;
  Process process_;
};

}  // namespace fodc::test
