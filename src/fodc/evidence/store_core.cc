// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/store_core.h"

#include <sys/file.h>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::evidence {

Result<std::shared_ptr<const Directory>> StoreCore::Root() {
  std::shared_ptr<const Directory> root;
  {
    const MutexLock lock(mutex_);
    root = root_;
  }
  if (!root->is_removed()) return root;
  FODC_RETURN_IF_ERROR(MakeDirectories(path_));
  FODC_ASSIGN_OR_RETURN(Directory made, Directory::Open(path_));
  // As the one before, so that no other process sweeps here.
  (void)::flock(made.fd(), LOCK_SH | LOCK_NB);
  root = std::make_shared<const Directory>(std::move(made));
  const MutexLock lock(mutex_);
  root_ = root;
  return root;
}

int* StoreCore::CountOf(Use use, Uses* uses) {
  switch (use) {
    case Use::kWrite:
      return &uses->writers;
    case Use::kMark:
      return &uses->markers;
    case Use::kDelete:
      break;
  }
  return &uses->deleters;
}

Status StoreCore::Claim(std::string_view id, Use use) {
  const MutexLock lock(mutex_);
  const auto it = uses_.find(id);
  if (it != uses_.end()) {
    const Uses& u = it->second;
    if (u.deleters != 0)
      return Unavailable(StrCat("event ", id, " is being deleted"));
    if (u.writers != 0 && use != Use::kMark)
      return Unavailable(StrCat("event ", id, " is being written"));
    if (use == Use::kDelete)
      return Unavailable(StrCat("event ", id, " is being pinned or unpinned"));
  }
  ++*CountOf(use, &uses_[std::string(id)]);
  return OkStatus();
}

void StoreCore::Release(std::string_view id, Use use) {
  const MutexLock lock(mutex_);
  const auto it = uses_.find(id);
  FODC_CHECK(it != uses_.end());
  --*CountOf(use, &it->second);
  const Uses& u = it->second;
  if (u.writers + u.markers + u.deleters == 0) uses_.erase(it);
}

bool StoreCore::IsBusy(std::string_view id) const {
  const MutexLock lock(mutex_);
  return uses_.contains(id);
}

}  // namespace fodc::evidence
