// SPDX-License-Identifier: Apache-2.0
// Who asks Azure for blobs: accounts with their keys, shared access signatures,
// connection strings, bearers of tokens.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/http_request.h"

namespace fodc::object_store {

struct AzureAccount {
  std::string name{};
  std::string key{};  // bytes; empty: there is a signature, or a token
  HttpQuery sas{};    // decoded
  // "https://name.blob.core.windows.net"; an emulator's has a path. Without a
  // slash at its end.
  std::string endpoint{};
};

// What of it is given on its own: as the flags have it.
struct AzureFlags {
  std::string account_name{};
  std::string account_key{};  // Base64
  std::string sas_token{};    // with a "?" before it, or without
  std::string endpoint{};
  // Where there is neither key nor signature: somebody gives tokens.
  bool has_tokens = false;
};

// A signature goes before a key. Without an endpoint it is that of the account
// in Azure's public cloud.
// Errors: kInvalidArgument naming what is missing or wrong, without the secret.
Result<AzureAccount> AzureAccountOf(const AzureFlags& flags);
// "AccountName=x;AccountKey=y;…", as Azure's portal gives it, also
// "UseDevelopmentStorage=true". Errors: likewise.
Result<AzureAccount> ParseAzureConnectionString(std::string_view text);

// Adds X-Ms-Date, X-Ms-Version and what names the account: the header
// Authorization (SharedKey), or the signature's parameters to the query. All
// other headers must be there already, and `body_bytes` be set.
void SignAzure(const AzureAccount& account, UnixTime now, HttpRequest* request);
// Of a request within a batch, which has the batch's version.
void SignAzurePart(const AzureAccount& account, UnixTime now,
                   HttpRequest* request);
// As SignAzure with a token, which is the header Authorization.
void SignAzureWith(std::string_view token, UnixTime now, HttpRequest* request);

}  // namespace fodc::object_store
