// SPDX-License-Identifier: Apache-2.0
// A capsule read back with suspicion, and without whoever made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::evidence {

struct CapsuleFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;
  // False if meta.json has a receipt with another digest: it was changed
  // between the capture and the capsule.
  bool is_as_captured = true;

  bool operator==(const CapsuleFile&) const = default;
};

struct CapsuleContent {
  std::string id;
  EventMeta meta;
  std::vector<CapsuleFile> files;    // the artifacts, in their order
  std::vector<std::string> missing;  // that meta.json lists and it has not
};

struct CapsuleLimits {
  // Of all files in it: a small capsule may hold much.
  std::uint64_t max_bytes = 16ULL << 30;
};

// Who wants the artifacts, in their order. A failure ends the reading with it.
class CapsuleVisitor {
 public:
  virtual ~CapsuleVisitor() = default;
  // `id` is an event's id and `name` an artifact's name, or meta.json, first.
  // What follows is this file's, until the next Begin. Nothing of it is known
  // to be right before ReadCapsule has ended well.
  virtual Status OnFile(std::string_view id, std::string_view name,
                        std::uint64_t bytes) = 0;
  virtual Status OnBytes(std::string_view bytes) = 0;
};

// Fills a part of the buffer; 0 is the end.
using ReadBytes = std::function<Result<std::size_t>(std::span<char>)>;

// Reads a capsule to its end, once, in constant memory (10 MiB at most), and
// checks what docs/formats/capsule.md says of it. `visitor` may be null.
// Errors: kDataLoss naming what is wrong; kResourceExhausted beyond `limits`;
// those of `read` and `visitor`. Blocks as they do.
Result<CapsuleContent> ReadCapsule(const ReadBytes& read,
                                   CapsuleVisitor* visitor,
                                   const CapsuleLimits& limits = {});

// The same of the file at `path`.
Result<CapsuleContent> ReadCapsuleFile(const std::string& path,
                                       CapsuleVisitor* visitor = nullptr,
                                       const CapsuleLimits& limits = {});

// Puts its files into `directory`/<id>, which is made, and is there with its
// name only when all is right. Errors: as ReadCapsule; kAlreadyExists if there
// is something of that name; as open(2). Nothing is left after an error.
Result<CapsuleContent> ExtractCapsule(const std::string& path,
                                      const std::string& directory,
                                      const CapsuleLimits& limits = {});

}  // namespace fodc::evidence
