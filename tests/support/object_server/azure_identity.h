// SPDX-License-Identifier: Apache-2.0
// Who gives tokens of Azure: Microsoft Entra ID for a federated token ("Access
// token request with a federated credential"), the machine's metadata service
// ("How to use managed identities on an Azure VM") and App Service's identity
// endpoint.
#pragma once

#include <string_view>

#include "tests/support/object_server/gcs_token.h"
#include "tests/support/object_server/options.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

class AzureIdentity {
 public:
  explicit AzureIdentity(const Options& options) : options_(options) {}

  bool IsToken(std::string_view path) const;
  Response Give(const Call& call);
  const Tokens& tokens() const { return tokens_; }
  void Clear() { tokens_.Clear(); }

 private:
  std::string EntraPath() const;
  Response OfAssertion(const Call& call);
  // Of either of the two endpoints for identities.
  Response OfIdentity(const Call& call, bool is_machine);
  Response Token(const Call& call, bool has_texts);

  const Options& options_;
  Tokens tokens_;
};

}  // namespace fodc::object_server
