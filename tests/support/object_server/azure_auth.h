// SPDX-License-Identifier: Apache-2.0
// Bearer tokens, Shared Key and shared access signatures (SAS) of Azure
// Storage, verified as "Authorize with Shared Key", "Create a service SAS" and
// "Create an account SAS" of its REST documentation say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "tests/support/object_server/gcs_token.h"
#include "tests/support/object_server/http.h"
#include "tests/support/object_server/options.h"

namespace fodc::object_server {

struct AzureRefusal {
  int status = 403;
  std::string code;
  std::string message;
};

// What a request wants to do: of a SAS's permission letters any one is enough.
struct AzureAccess {
  std::string container;
  std::string blob;          // empty: the container itself
  std::string_view letters;  // "r", "cw", …
  bool is_part = false;      // of a batch, whose version it has
};

std::optional<AzureRefusal> VerifyAzure(const Request& request, UnixTime now,
                                        const Credentials& credentials,
                                        const Tokens& tokens,
                                        const AzureAccess& access);

}  // namespace fodc::object_server
