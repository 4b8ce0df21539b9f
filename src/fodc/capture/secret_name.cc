// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/secret_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

namespace fodc::capture {
namespace {

using std::string_view;

// Anywhere in a name, however its words are set apart.
constexpr std::array<string_view, 28> kSecretParts = {
    "password",      "passwd",     "passphrase", "secret",
    "token",         "credential", "apikey",     "accesskey",
    "privatekey",    "sharedkey",  "accountkey", "masterkey",
    "signingkey",    "sshkey",     "hmackey",    "encryptionkey",
    "authorization", "cookie",     "sessionid",  "connectionstring",
    "signature",     "storagekey", "licensekey", "licencekey",
    "requirepass",   "masterauth", "deploykey",  "webhookkey",
};
// What such a name ends in when its value only speaks of the secret.
constexpr std::array<string_view, 21> kHarmlessEnds = {
    "file",      "path",       "dir",    "directory", "name",  "ttl",
    "timeout",   "enabled",    "count",  "size",      "limit", "interval",
    "expiry",    "expiration", "length", "policy",    "type",  "version",
    "algorithm", "keyid",      "url",
};
// Alone, or as a name's last word.
constexpr std::array<string_view, 4> kSecretWords = {"pass", "pw", "auth",
                                                     "pwd"};

bool IsUpper(char c) {
  return std::isupper(static_cast<unsigned char>(c)) != 0;
}

// Lower-case: "maxTokens", "MAX_TOKENS" and "max-tokens" are {"max", "tokens"}.
std::vector<std::string> Words(string_view name) {
  std::vector<std::string> words(1);
  bool was_upper = true;
  for (const char c : name) {
    const bool is_upper = IsUpper(c);
    const bool is_apart = std::isalnum(static_cast<unsigned char>(c)) == 0;
    if ((is_apart || (is_upper && !was_upper)) && !words.back().empty()) {
      words.emplace_back();
    }
    was_upper = is_upper;
    if (is_apart) continue;
    words.back().push_back(
        static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  if (words.size() > 1 && words.back().empty()) words.pop_back();
  return words;
}

bool EndsInSecret(string_view plain) {
  return std::any_of(kSecretParts.begin(), kSecretParts.end(),
                     [&](string_view part) { return plain.ends_with(part); });
}

}  // namespace

bool IsSecretName(string_view name) {
  const std::vector<std::string> words = Words(name);
  std::string plain;
  for (const std::string& word : words) plain += word;
  if (plain == "sig") return true;  // of an address that gives access
  if (plain.ends_with("pwd")) return true;
  if (plain.ends_with("pass") && plain != "bypass" && plain != "compass")
    return true;
  if (std::find(kSecretWords.begin(), kSecretWords.end(), words.back()) !=
      kSecretWords.end()) {
    return true;
  }
  const auto ends = [&](string_view end) { return plain.ends_with(end); };
  if (std::any_of(kHarmlessEnds.begin(), kHarmlessEnds.end(), ends)) {
    return false;
  }
  if (plain.find("tokeniz") != std::string::npos) return false;
  // A bound, unless the name goes on to the secret itself: MAX_TOKENS is one,
  // "min" in MINIO_SECRET_KEY and "max" in a MAX_PASSWORD are none.
  const bool is_bound = words.front() == "max" || words.front() == "min";
  if (is_bound && !EndsInSecret(plain)) return false;
  return std::any_of(
      kSecretParts.begin(), kSecretParts.end(),
      [&](string_view part) { return plain.find(part) != std::string::npos; });
}

bool IsGroupName(string_view name) { return Words(name).back() == "auth"; }

}  // namespace fodc::capture
