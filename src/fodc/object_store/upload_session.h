// SPDX-License-Identifier: Apache-2.0
// A large object on its way in parts, kept in a file so that another run can go
// on with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fodc/object_store/digests.h"

namespace fodc::object_store {

struct UploadPart {
  std::string etag{};  // as the store told it
  Sha256 sha256{};
  std::string checksum{};  // by the session's algorithm, in Base64
};

struct UploadSession {
  // What is sent, and where to: another object is another session.
  std::string full_key{};
  std::uint64_t bytes = 0;
  Sha256 sha256{};
  std::uint64_t part_bytes = 0;
  std::string algorithm{};  // of the parts' checksums; empty: they have none
  // What the store calls it, and the parts that it has, the first ones.
  std::string id{};
  std::vector<UploadPart> parts{};

  // Into the file of that name; an empty one keeps nothing. What cannot be
  // kept costs another run its beginning, and no more.
  void Save(const std::string& file) const;
  // Takes `id` and `parts` of the file. False, with nothing changed, if there
  // is none, or it is of something else.
  bool Load(const std::string& file);
  static void Forget(const std::string& file);
};

}  // namespace fodc::object_store
