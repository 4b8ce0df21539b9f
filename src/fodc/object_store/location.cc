// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/location.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kMaxUrlBytes = 4096;
constexpr std::size_t kMaxShownBytes = 120;

struct Scheme {
  std::string_view name;
  StoreKind kind;
};
constexpr Scheme kSchemes[] = {
    {"file", StoreKind::kFile},   {"s3", StoreKind::kS3},
    {"gs", StoreKind::kGcs},      {"gcs", StoreKind::kGcs},
    {"azure", StoreKind::kAzure}, {"azblob", StoreKind::kAzure}};

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string Shown(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text.substr(0, kMaxShownBytes));
  if (text.size() > kMaxShownBytes) out += "…";
  return out;
}

// What is common to all stores; each refuses more by itself.
Status CheckBucket(StoreKind kind, std::string_view bucket) {
  const std::string_view what =
      kind == StoreKind::kAzure ? "container" : "bucket";
  if (bucket.empty()) return InvalidArgument(StrCat("it names no ", what));
  const bool is_good = bucket.size() >= 3 && bucket.size() <= 222 &&
                       std::ranges::all_of(bucket, [](char c) {
                         return IsLetter(c) || (c >= '0' && c <= '9') ||
                                c == '-' || c == '_' || c == '.' || c == '$';
                       });
  if (is_good) return OkStatus();
  return InvalidArgument(StrCat(Shown(bucket), " is no name of a ", what,
                                ": 3 to 222 letters, digits, '-', '_', '.'"));
}

// Without empty parts and ".".
Result<std::string> CleanBase(std::string_view path) {
  std::string base;
  for (const std::string_view part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return InvalidArgument("its path has a \"..\"");
    if (!base.empty()) base.push_back('/');
    base += part;
  }
  return base;
}

Status CheckEndpoint(std::string_view endpoint) {
  std::string_view rest = endpoint;
  if (!ConsumePrefix(&rest, "https://") && !ConsumePrefix(&rest, "http://"))
    return InvalidArgument("its endpoint is no http or https URL");
  if (rest.empty() || rest.find_first_of("@?# ") != rest.npos)
    return InvalidArgument("its endpoint is not a host with a port or a path");
  return OkStatus();
}

Status ReadQuery(std::string_view text, Location* location) {
  FODC_ASSIGN_OR_RETURN(const net::Query query, net::Query::Parse(text));
  const bool is_s3 = location->kind == StoreKind::kS3;
  for (const auto& [key, value] : query.all()) {
    if (key == "endpoint" && location->kind != StoreKind::kFile) {
      FODC_RETURN_IF_ERROR(CheckEndpoint(value));
      location->endpoint = value;
    } else if (key == "region" && is_s3 && !value.empty()) {
      location->region = value;
    } else if (key == "path-style" && is_s3 &&
               (value == "true" || value == "false")) {
      location->path_style = value == "true";
    } else {
      return InvalidArgument(StrCat(
          "it has ", Shown(key + "=" + value),
          is_s3 ? "; known are region, endpoint, path-style=true and =false"
          : location->kind == StoreKind::kFile ? "; files have no options"
                                               : "; known is endpoint"));
    }
  }
  return OkStatus();
}

Result<Location> Parse(std::string_view url) {
  if (url.size() > kMaxUrlBytes) {
    return InvalidArgument(StrCat("it has ", url.size(), " bytes; ",
                                  kMaxUrlBytes, " are allowed"));
  }
  const std::size_t colon = url.find("://");
  if (colon == url.npos)
    return InvalidArgument("it is no URL: SCHEME://… is wanted");
  const std::string scheme = ToLower(url.substr(0, colon));
  const auto* const known = std::ranges::find(kSchemes, scheme, &Scheme::name);
  if (known == std::end(kSchemes)) {
    return InvalidArgument(
        StrCat("unsupported scheme ", Shown(scheme),
               "; there are file, s3, gs, gcs, azure and azblob"));
  }
  std::string_view rest = url.substr(colon + 3);
  if (rest.find('#') != rest.npos)
    return InvalidArgument("it has a fragment ('#'; %23 in a path)");
  Location location{.kind = known->kind};
  if (const std::size_t at = rest.find('?'); at != rest.npos) {
    FODC_RETURN_IF_ERROR(ReadQuery(rest.substr(at + 1), &location));
    rest = rest.substr(0, at);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find_first_of("@:") != authority.npos)
    return InvalidArgument("it has a user or a port");
  FODC_ASSIGN_OR_RETURN(const std::string path,
                        net::PercentDecode(rest.substr(slash)));
  if (path.find('\0') != path.npos || !IsValidUtf8(path))
    return InvalidArgument("its path is no text");
  if (location.kind == StoreKind::kFile) {
    if (!authority.empty())
      return InvalidArgument("files have no host: file:///path");
    FODC_ASSIGN_OR_RETURN(const std::string base, CleanBase(path));
    if (base.empty()) return InvalidArgument("it names no directory");
    location.base = "/" + base;
    return location;
  }
  FODC_ASSIGN_OR_RETURN(location.base, CleanBase(path));
  if (!authority.empty()) {
    location.bucket = authority;
  } else {
    // The first part of the path, as in the URLs of the Go original.
    const std::size_t end =
        std::min(location.base.find('/'), location.base.size());
    location.bucket = location.base.substr(0, end);
    location.base.erase(0, std::min(end + 1, location.base.size()));
  }
  FODC_RETURN_IF_ERROR(CheckBucket(location.kind, location.bucket));
  return location;
}

}  // namespace

std::string_view StoreKindName(StoreKind kind) {
  switch (kind) {
    case StoreKind::kFile:
      return "file";
    case StoreKind::kS3:
      return "S3";
    case StoreKind::kGcs:
      return "GCS";
    case StoreKind::kAzure:
      return "Azure";
  }
  return "";
}

Result<Location> ParseLocation(std::string_view url) {
  return Parse(url).WithContext(Shown(url));
}

std::string LocationText(const Location& location) {
  switch (location.kind) {
    case StoreKind::kFile:
      return "file://" + location.base;
    case StoreKind::kS3:
      return StrCat("s3://", location.bucket, "/", location.base);
    case StoreKind::kGcs:
      return StrCat("gs://", location.bucket, "/", location.base);
    case StoreKind::kAzure:
      return StrCat("azure://", location.bucket, "/", location.base);
  }
  return "";
}

Status CheckKey(std::string_view key, const KeyRules& rules) {
  const auto refuse = [key](std::string_view why) {
    return InvalidArgument(StrCat("key ", Shown(key), " ", why));
  };
  if (key.empty()) return refuse("is empty");
  if (key.size() > rules.max_bytes) {
    return refuse(StrCat("has ", key.size(), " bytes; the store takes ",
                         rules.max_bytes));
  }
  if (key.find('\0') != key.npos) return refuse("has a NUL");
  if (rules.is_text && !IsValidUtf8(key)) return refuse("is not UTF-8");
  const std::string_view first = key.substr(0, key.find_first_of("/\\"));
  if (first.size() == 2 && IsLetter(first[0]) && first[1] == ':')
    return refuse("begins with a drive");
  for (const std::string_view part : Split(key, '/')) {
    if (part.empty()) return refuse("has an empty part");
    if (part == "." || part == "..") return refuse("has a \".\" or \"..\"");
  }
  return OkStatus();
}

}  // namespace fodc::object_store
