// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/extractor.h"

#include <unistd.h>

#include <cerrno>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_files.h"

namespace fodc::evidence {

Extractor::~Extractor() {
  // What cannot be removed either is told by the error that led here.
  if (beside_) RemoveEvent(parent_, beside_name_, *beside_).IgnoreError();
}

Status Extractor::OnFile(std::string_view id, std::string_view name,
                         std::uint64_t bytes) {
  if (!beside_) {
    beside_name_ = PartName(id);
    FODC_RETURN_IF_ERROR(parent_.MakeDirectory(beside_name_));
    FODC_ASSIGN_OR_RETURN(beside_, parent_.OpenDirectory(beside_name_));
  }
  FODC_RETURN_IF_ERROR(SyncFile());
  FODC_ASSIGN_OR_RETURN(const std::uint64_t free, beside_->FreeBytes());
  if (bytes > free) {
    return ResourceExhausted(
        StrCat(name, " has ", bytes, " bytes; the disk has ", free));
  }
  name_ = name;
  FODC_ASSIGN_OR_RETURN(file_, beside_->CreateFile(name));
  return OkStatus();
}

Status Extractor::OnBytes(std::string_view bytes) {
  return WriteAll(file_.get(), bytes, name_);
}

Status Extractor::SyncFile() const {
  if (file_.ok() && ::fsync(file_.get()) != 0)
    return ErrnoStatus(errno, "fsync " + name_);
  return OkStatus();
}

Status Extractor::Finish() {
  FODC_RETURN_IF_ERROR(SyncFile());
  return beside_->Sync();
}

}  // namespace fodc::evidence
