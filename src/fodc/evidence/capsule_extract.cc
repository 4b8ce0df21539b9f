// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/event_files.h"

namespace fodc::evidence {
namespace {

// Writes the files into a directory beside, with a name that no event has.
class Extractor final : public CapsuleVisitor {
 public:
  explicit Extractor(const Directory& parent) : parent_(parent) {}
  ~Extractor() override {
    // What cannot be removed either is told by the error that led here.
    if (beside_) RemoveEvent(parent_, beside_name_, *beside_).IgnoreError();
  }
  Extractor(const Extractor&) = delete;
  Extractor& operator=(const Extractor&) = delete;

  Status OnFile(std::string_view id, std::string_view name,
                std::uint64_t bytes) override {
    if (!beside_) FODC_RETURN_IF_ERROR(Begin(id));
    FODC_ASSIGN_OR_RETURN(const std::uint64_t free, beside_->FreeBytes());
    if (bytes > free) {
      return ResourceExhausted(
          StrCat(name, " has ", bytes, " bytes; the disk has ", free));
    }
    FODC_RETURN_IF_ERROR(SyncFile());
    name_ = name;
    FODC_ASSIGN_OR_RETURN(file_, beside_->CreateFile(name));
    return OkStatus();
  }
  Status OnBytes(std::string_view bytes) override {
    return WriteAll(file_.get(), bytes, name_);
  }

  // All is right: it gets its name.
  Status End(std::string_view id) {
    FODC_RETURN_IF_ERROR(SyncFile());
    FODC_RETURN_IF_ERROR(beside_->Sync());
    FODC_RETURN_IF_ERROR(parent_.Rename(beside_name_, id));
    beside_.reset();
    return parent_.Sync();
  }

 private:
  Status Begin(std::string_view id) {
    if (parent_.Stat(id).ok())
      return AlreadyExists(StrCat(parent_.path(), "/", id, " exists"));
    beside_name_ = StrCat('.', id, ".part");
    FODC_RETURN_IF_ERROR(parent_.MakeDirectory(beside_name_));
    FODC_ASSIGN_OR_RETURN(beside_, parent_.OpenDirectory(beside_name_));
    return OkStatus();
  }

  Status SyncFile() const {
    if (file_.ok() && ::fsync(file_.get()) != 0)
      return ErrnoStatus(errno, "fsync " + name_);
    return OkStatus();
  }

  const Directory& parent_;
  std::string beside_name_;
  std::optional<Directory> beside_;
  std::string name_;
  UniqueFd file_;
};

}  // namespace

Result<CapsuleContent> ExtractCapsule(const std::string& path,
                                      const std::string& directory,
                                      const CapsuleLimits& limits) {
  FODC_RETURN_IF_ERROR(MakeDirectories(directory));
  FODC_ASSIGN_OR_RETURN(const Directory parent, Directory::Open(directory));
  Extractor extractor(parent);
  FODC_ASSIGN_OR_RETURN(CapsuleContent content,
                        ReadCapsuleFile(path, &extractor, limits));
  FODC_RETURN_IF_ERROR(extractor.End(content.id));
  return content;
}

}  // namespace fodc::evidence
