// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/credentials.h"

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::net {

Result<Credentials> LoadCredentials(const CredentialPaths& paths) {
  if (paths.cert_file.empty() != paths.key_file.empty()) {
    return InvalidArgument(
        paths.cert_file.empty()
            ? "the key " + paths.key_file + " has no certificate"
            : "the certificate " + paths.cert_file + " has no key");
  }
  Credentials c;
  if (!paths.ca_file.empty()) {
    FODC_ASSIGN_OR_RETURN(c.ca_pem, ReadFile(paths.ca_file));
  }
  if (!paths.cert_file.empty()) {
    FODC_ASSIGN_OR_RETURN(c.cert_pem, ReadFile(paths.cert_file));
    FODC_ASSIGN_OR_RETURN(c.key_pem, ReadFile(paths.key_file));
  }
  if (!paths.token_file.empty()) {
    FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(paths.token_file));
    c.bearer_token = Trim(text);
    if (c.bearer_token.empty()) {
      return InvalidArgument("the token file " + paths.token_file +
                             " is empty");
    }
  }
  return c;
}

}  // namespace fodc::net
