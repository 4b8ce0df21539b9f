// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/addresses.h"

#include <cstdint>
#include <optional>

#include "fodc/base/strings.h"

namespace fodc::program {
namespace {

struct Parts {
  std::string_view host;
  std::optional<std::uint64_t> port;
};

Parts Split(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  return {text.substr(0, colon), ParseUint(text.substr(colon + 1))};
}

bool IsHost(std::string_view host) {
  return (host.find(':') == std::string_view::npos ||
          (host.starts_with('[') && host.ends_with(']'))) &&
         host.find_first_of("/ \t@") == std::string_view::npos;
}

Status NotAn(std::string_view text, std::string_view form) {
  return InvalidArgument(
      StrCat("\"", text, "\" is not ", form, " with a port up to 65535"));
}

}  // namespace

Status CheckPeerAddress(std::string_view text) {
  const Parts parts = Split(text);
  const bool is_good = !parts.host.empty() && IsHost(parts.host) &&
                       parts.port && *parts.port > 0 && *parts.port <= 65535;
  return is_good ? OkStatus() : NotAn(text, "HOST:PORT");
}

Status CheckListenAddress(std::string_view text) {
  const Parts parts = Split(text);
  const bool is_good = IsHost(parts.host) && parts.port && *parts.port <= 65535;
  return is_good ? OkStatus() : NotAn(text, "HOST:PORT or :PORT");
}

}  // namespace fodc::program
