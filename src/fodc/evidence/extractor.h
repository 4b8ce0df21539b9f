// SPDX-License-Identifier: Apache-2.0
// For this room only: the files of a capsule into a directory beside the place
// where they belong, until all is known to be right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/directory.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/capsule_reader.h"

namespace fodc::evidence {

// Blocks. What it wrote is removed with it unless Release was called.
class Extractor final : public CapsuleVisitor {
 public:
  // `parent` outlives it.
  explicit Extractor(const Directory& parent) : parent_(parent) {}
  ~Extractor() override;
  Extractor(const Extractor&) = delete;
  Extractor& operator=(const Extractor&) = delete;

  // Errors: kAlreadyExists if the same event is being extracted;
  // kResourceExhausted if the disk has not so much; as open(2), write(2).
  Status OnFile(std::string_view id, std::string_view name,
                std::uint64_t bytes) override;
  Status OnBytes(std::string_view bytes) override;

  // After the last file. All is synced.
  Status Finish();
  // The name in `parent`: that of a part, which is no event's.
  const std::string& name() const { return beside_name_; }
  const Directory& directory() const { return *beside_; }
  // It has another name now.
  void Release() { beside_.reset(); }

 private:
  Status SyncFile() const;

  const Directory& parent_;
  std::string beside_name_;
  std::optional<Directory> beside_;
  std::string name_;
  UniqueFd file_;
};

}  // namespace fodc::evidence
