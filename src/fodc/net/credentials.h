// SPDX-License-Identifier: Apache-2.0
// What a connection proves itself with, from one place for HTTP and link.
#pragma once

#include <string>

#include "fodc/base/status.h"

namespace fodc::net {

// PEM texts and a token; empty means: not used.
struct Credentials {
  std::string ca_pem{};        // whom to trust; empty: the system's store
  std::string cert_pem{};      // our own chain
  std::string key_pem{};       // its key; secret
  std::string bearer_token{};  // secret
  bool empty() const {
    return ca_pem.empty() && cert_pem.empty() && key_pem.empty() &&
           bearer_token.empty();
  }
};

// Where the programs' flags say that they are; empty paths are not read.
struct CredentialPaths {
  std::string ca_file{};
  std::string cert_file{};
  std::string key_file{};
  std::string token_file{};
};

// The one factory. The token is the file's text, trimmed.
// Errors: those of reading, with the path; kInvalidArgument for a certificate
// without a key, a key without a certificate, or an empty token file.
Result<Credentials> LoadCredentials(const CredentialPaths& paths);

}  // namespace fodc::net
