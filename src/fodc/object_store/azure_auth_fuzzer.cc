// SPDX-License-Identifier: Apache-2.0
// Connection strings as somebody pasted them.
#include <algorithm>
#include <cstdlib>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_auth.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc;
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto account = ParseAzureConnectionString(text);
  if (!account.ok()) return 0;
  // Who asks has something to ask with, and one host to ask.
  if (account->key.empty() == account->sas.empty()) std::abort();
  std::string_view rest = account->endpoint;
  if (!ConsumePrefix(&rest, "https://") && !ConsumePrefix(&rest, "http://"))
    std::abort();
  if (rest.empty() || rest.front() == '/' || rest.ends_with('/')) std::abort();
  // Nothing of it makes another request, or a line of its own in one.
  if (std::ranges::any_of(rest, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7f || c == '@' || c == '?' || c == '#';
      })) {
    std::abort();
  }
  HttpRequest request{.method = "PUT"};
  SignAzure(*account, UnixTime(std::chrono::seconds(1'767'225'600)), &request);
  for (const auto& [name, value] : request.headers) {
    if (value.find_first_of("\r\n") != value.npos) std::abort();
  }
  return 0;
}
