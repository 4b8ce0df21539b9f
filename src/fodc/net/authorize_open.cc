// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>
#include <string_view>

#include "fodc/base/strings.h"
#include "fodc/net/http_server.h"

namespace fodc::net {
namespace {

// Whether a Host is an address, or a name that no name server of the world can
// give to this machine: one of a single label.
bool IsLocalHost(std::string_view host) {
  if (host.starts_with('[')) return true;  // an address of IPv6
  const std::string name(host.substr(0, host.find(':')));
  in_addr address{};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         name.find('.') == std::string::npos;
}

// What shows that somebody else speaks through this machine; empty: nothing.
std::string_view SpokenThrough(const HttpRequest& request) {
  for (const std::string_view header :
       {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"}) {
    if (!request.Header(header).empty()) return "a proxy";
  }
  if (!request.Header("Origin").empty() ||
      !IsLocalHost(request.Header("Host"))) {
    return "a web page";
  }
  const std::string_view site = request.Header("Sec-Fetch-Site");
  if (!site.empty() && site != "none" && site != "same-origin") {
    return "a web page";
  }
  return {};
}

}  // namespace

Status AuthorizeOpen(const HttpRequest& request, Access access) {
  if (access == Access::kPublic || access == Access::kViewer) {
    return OkStatus();
  }
  if (!request.peer_is_loopback) {
    return {Code::kPermissionDenied,
            "only from this machine, until credentials are set"};
  }
  if (const std::string_view who = SpokenThrough(request); !who.empty()) {
    return {Code::kPermissionDenied,
            StrCat("only from this machine itself, not through ", who,
                   ", until credentials are set")};
  }
  return OkStatus();
}

}  // namespace fodc::net
