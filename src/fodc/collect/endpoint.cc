// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/endpoint.h"

#include <map>
#include <set>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::collect {
namespace {

bool IsPort(std::string_view text, std::uint16_t* port) {
  const auto number = ParseUint(text);
  if (!number || *number == 0 || *number > 65535) return false;
  *port = static_cast<std::uint16_t>(*number);
  return true;
}

bool IsLoopbackHost(std::string_view host) {
  return net::IsLocalhost(host) || host == "[::1]" || host.starts_with("127.");
}

// Without user and password, whatever is wrong with the rest: neither has an
// '@', but a path may have one.
std::string Shown(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return StrCat(url.substr(0, host), url.substr(at + 1));
}

Status Bad(std::string_view shown, std::string_view why) {
  return InvalidArgument(StrCat("endpoint \"", shown, "\": ", why));
}

}  // namespace

Result<Endpoint> ParseEndpoint(std::string_view url,
                               std::string_view container_name) {
  const std::string_view whole = Trim(url);
  std::string_view rest = whole;
  Endpoint e;
  std::string_view scheme;
  if (ConsumePrefix(&rest, "http://")) {
    scheme = "http://";
    e.port = 80;
  } else if (ConsumePrefix(&rest, "https://")) {
    scheme = "https://";
    e.port = 443;
  } else {
    return Bad(Shown(whole), "a URL begins with http:// or https://");
  }
  const std::size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  std::string_view path =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  const std::size_t at = authority.rfind('@');
  const std::string_view user =
      at == std::string_view::npos ? "" : authority.substr(0, at + 1);
  authority.remove_prefix(user.size());
  const std::string shown = Shown(whole);
  for (const char c : whole) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f')
      return Bad(shown, "a URL has no blanks and no control characters");
  }
  if (path.find('#') != std::string_view::npos)
    return Bad(shown, "a URL to scrape has no fragment (#)");

  std::string_view host = authority;
  std::string_view port;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos &&
      (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    if (!IsPort(port, &e.port))
      return Bad(shown, "its port is none from 1 to 65535");
  }
  if (host.empty()) return Bad(shown, "the host is missing");
  if (host.find(':') != std::string_view::npos &&
      !(host.starts_with('[') && host.ends_with(']')))
    return Bad(shown, "an IPv6 address stands in brackets");

  if (path.empty()) path = "/metrics";
  e.url = StrCat(scheme, user, authority, path);
  e.name = ToValidUtf8(StrCat(scheme, authority, path));
  e.container_name = ToValidUtf8(container_name);
  e.is_loopback = IsLoopbackHost(host);
  return e;
}

Result<std::vector<Endpoint>> MakeEndpoints(
    std::span<const std::string> ports,
    std::span<const std::string> container_names,
    std::span<const std::string> urls) {
  const bool names_urls = container_names.size() == ports.size() + urls.size();
  if (!container_names.empty() && container_names.size() != ports.size() &&
      !names_urls) {
    return InvalidArgument(StrCat(
        "--container-names has ", container_names.size(), " names for the ",
        ports.size(), " ports of --poll-metrics-ports and the ", urls.size(),
        " of --poll-metrics-urls; give one to each port, one to each "
        "port and URL, or none"));
  }
  std::vector<Endpoint> endpoints;
  std::set<std::string> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    std::uint16_t port = 0;
    if (!IsPort(Trim(ports[i]), &port)) {
      return InvalidArgument(StrCat("--poll-metrics-ports: \"", ports[i],
                                    "\" is no port from 1 to 65535"));
    }
    // A name, not an address: whichever of 127.0.0.1 and ::1 answers will do.
    FODC_ASSIGN_OR_RETURN(
        Endpoint e,
        ParseEndpoint(StrCat("http://localhost:", port, "/metrics"),
                      container_names.empty() ? "" : Trim(container_names[i])));
    if (!names.insert(e.name).second) {
      return InvalidArgument(
          StrCat("--poll-metrics-ports: port ", port, " is given twice"));
    }
    endpoints.push_back(std::move(e));
  }
  for (std::size_t i = 0; i < urls.size(); ++i) {
    const std::string_view name = container_names.empty() || !names_urls
                                      ? std::string_view()
                                      : Trim(container_names[ports.size() + i]);
    auto e = ParseEndpoint(urls[i], name).WithContext("--poll-metrics-urls");
    if (!e.ok()) return std::move(e).status();
    if (!names.insert(e->name).second) {
      return InvalidArgument(
          StrCat("--poll-metrics-urls: ", e->name, " is given twice"));
    }
    endpoints.push_back(*std::move(e));
  }
  if (endpoints.empty()) {
    return InvalidArgument(
        "--poll-metrics-ports is empty and so is --poll-metrics-urls; at least "
        "one endpoint is needed");
  }
  std::map<std::string_view, int> sharing;
  for (const Endpoint& e : endpoints) ++sharing[e.container_name];
  for (Endpoint& e : endpoints) e.is_labelled = sharing[e.container_name] > 1;
  return endpoints;
}

}  // namespace fodc::collect
