// SPDX-License-Identifier: Apache-2.0
// Where objects are, as people write it: the URLs of --dest and --source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::object_store {

enum class StoreKind : std::uint8_t { kFile, kS3, kGcs, kAzure };

// "S3" for kS3, as in errors and labels of metrics.
std::string_view StoreKindName(StoreKind kind);

struct Location {
  StoreKind kind = StoreKind::kFile;
  std::string bucket{};  // of Azure: the container; empty for files
  // Before each key: for files an absolute path, else without a slash at either
  // end; empty: keys stand alone.
  std::string base{};
  std::optional<std::string> region{};    // ?region=, of S3
  std::optional<std::string> endpoint{};  // ?endpoint=, an http or https URL
  std::optional<bool> path_style{};       // ?path-style=, of S3

  bool operator==(const Location&) const = default;
};

// "file:///path", "s3://bucket/base" and "s3:///bucket/base", "gs://" and
// "gcs://", "azure://" and "azblob://" likewise. Percent encoding is decoded.
// Errors: kInvalidArgument naming what is wrong: another scheme, no bucket, a
// name that no store has, "..", a query key that it does not know, a fragment,
// a user name.
Result<Location> ParseLocation(std::string_view url);

// "s3://bucket/base": for people; it has no secrets.
std::string LocationText(const Location& location);

struct KeyRules {
  std::size_t max_bytes = 1024;
  bool is_text = true;  // UTF-8; else any bytes
};

// Whether a store takes the key: relative, without an empty part, ".", "..", a
// NUL or a drive ("C:"). Errors: kInvalidArgument naming the key, cut and
// escaped.
Status CheckKey(std::string_view key, const KeyRules& rules);

}  // namespace fodc::object_store
