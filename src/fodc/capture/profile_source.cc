// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_source.h"

#include <sys/un.h>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::capture {
namespace {

constexpr std::string_view kType = "{type}";
constexpr std::string_view kSeconds = "{seconds}";

bool Contains(std::string_view text, std::string_view piece) {
  return text.find(piece) != std::string_view::npos;
}

void Replace(std::string* text, std::string_view what, std::string_view by) {
  for (std::size_t at = text->find(what); at != std::string::npos;
       at = text->find(what, at + by.size())) {
    text->replace(at, what.size(), by);
  }
}

}  // namespace

ProfileSource ProfileSource::OfPort(std::uint16_t port) {
  return ProfileSource(StrCat("http://localhost:", port));
}

Result<ProfileSource> ProfileSource::Parse(std::string_view url) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(StrCat(
        "the source of profiles \"",
        ToValidUtf8(net::WithoutUserInfo(url.substr(0, 256))), "\" ", why));
  };
  std::string_view rest = url;
  if (ConsumePrefix(&rest, "unix:")) {
    constexpr std::size_t kMostBytes = sizeof sockaddr_un::sun_path - 1;
    if (!rest.starts_with("/")) return refuse("names no absolute path");
    if (rest.size() > kMostBytes) {
      return refuse(StrCat("has a path of more than ", kMostBytes, " bytes"));
    }
    for (const char c : rest) {
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
        return refuse("holds a control character");
    }
    return ProfileSource(std::string(kUnixHost), std::string(rest));
  }
  if (!ConsumePrefix(&rest, "http://") && !ConsumePrefix(&rest, "https://"))
    return refuse("is neither http://, https:// nor unix:/");
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.empty()) return refuse("names no host");
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return refuse("holds a blank or control character");
  }
  if (Contains(host, "{")) return refuse("has a placeholder in its host");
  if (!Contains(url, kType)) {
    if (url.find_first_of("?#{") != std::string_view::npos)
      return refuse("has a query but no {type}");
    while (url.ends_with('/')) url.remove_suffix(1);
  }
  return ProfileSource(std::string(url));
}

std::string ProfileSource::Name() const {
  return unix_socket_.empty() ? net::WithoutUserInfo(url_)
                              : StrCat("unix:", unix_socket_);
}

std::vector<std::string> ProfileSource::Urls(
    const ProfileType& type, std::chrono::nanoseconds duration) const {
  if (is_none()) return {};
  const std::string seconds =
      std::to_string(std::chrono::ceil<std::chrono::seconds>(duration).count());
  if (Contains(url_, kType)) {
    std::string url = url_;
    Replace(&url, kType, type.name);
    Replace(&url, kSeconds, seconds);
    return {url};
  }
  std::vector<std::string> urls;
  for (const std::string_view path : {type.path, type.gperftools_path}) {
    if (path.empty()) continue;
    urls.push_back(
        StrCat(url_, path, type.cost == ProfileCost::kLong ? seconds : ""));
  }
  return urls;
}

}  // namespace fodc::capture
