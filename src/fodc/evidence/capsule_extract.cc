// SPDX-License-Identifier: Apache-2.0
// The two ways of a capsule to disk: for people, and into a store.
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/event_store.h"
#include "fodc/evidence/extractor.h"
#include "fodc/evidence/store_core.h"

namespace fodc::evidence {

Result<CapsuleContent> ExtractCapsule(const std::string& path,
                                      const std::string& directory,
                                      const CapsuleLimits& limits) {
  FODC_RETURN_IF_ERROR(MakeDirectories(directory));
  FODC_ASSIGN_OR_RETURN(const Directory parent, Directory::Open(directory));
  Extractor extractor(parent);
  FODC_ASSIGN_OR_RETURN(CapsuleContent content,
                        ReadCapsuleFile(path, &extractor, limits));
  FODC_RETURN_IF_ERROR(extractor.Finish());
  if (parent.Stat(content.id).ok())
    return AlreadyExists(StrCat(directory, "/", content.id, " exists"));
  FODC_RETURN_IF_ERROR(parent.Rename(extractor.name(), content.id));
  extractor.Release();
  FODC_RETURN_IF_ERROR(parent.Sync());
  return content;
}

Result<CapsuleContent> EventStore::Import(const ReadBytes& read,
                                          const EventBudget& budget,
                                          const AcceptCapsule& accept) {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const auto bytes, Grant(budget));
  Extractor extractor(*root);
  FODC_ASSIGN_OR_RETURN(
      CapsuleContent content,
      ReadCapsule(read, &extractor, {.max_bytes = bytes->left_bytes()}));
  if (accept) FODC_RETURN_IF_ERROR(accept(content));
  FODC_ASSIGN_OR_RETURN(const auto claim,
                        Claimed::Make(core_.get(), content.id, Use::kWrite));
  const auto old = Read(content.id);
  if (old.ok() && old->meta.revision >= content.meta.revision) {
    return AlreadyExists(StrCat("event ", content.id, " is there in revision ",
                                old->meta.revision));
  }
  if (old.ok() && old->is_pinned) {
    FODC_RETURN_IF_ERROR(extractor.directory().CreateFile(kPinFile).status());
  }
  FODC_RETURN_IF_ERROR(extractor.Finish());
  if (root->Stat(content.id).ok()) {
    // If only a damaged one. What is in the extractor's place afterwards is the
    // old event.
    FODC_ASSIGN_OR_RETURN(const Directory event,
                          root->OpenDirectory(content.id));
    FODC_RETURN_IF_ERROR(root->Exchange(extractor.name(), content.id));
    extractor.Release();
    FODC_RETURN_IF_ERROR(RemoveEvent(*root, extractor.name(), event));
  } else {
    FODC_RETURN_IF_ERROR(root->Rename(extractor.name(), content.id));
    extractor.Release();
  }
  FODC_RETURN_IF_ERROR(root->Sync());
  return content;
}

}  // namespace fodc::evidence
