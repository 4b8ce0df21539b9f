// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/store_core.h"

#include <sys/file.h>

#include <algorithm>

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

std::uint64_t ByteBudget::Take(std::uint64_t bytes) {
  std::uint64_t left = left_.load();
  while (!left_.compare_exchange_weak(left, left - std::min(bytes, left))) {
  }
  return std::min(bytes, left);
}

Result<std::shared_ptr<ByteBudget>> StoreCore::Grant(std::uint64_t free_bytes,
                                                     std::uint64_t max_bytes,
                                                     std::uint64_t min_bytes) {
  const MutexLock lock(mutex_);
  std::erase_if(granted_, [](const auto& budget) { return budget.expired(); });
  std::uint64_t bytes = free_bytes;
  for (const auto& other : granted_) {
    if (const auto budget = other.lock())
      bytes -= std::min(bytes, budget->left_bytes());
  }
  if (bytes < min_bytes) {
    return ResourceExhausted(
        StrCat("the disk has ", bytes, " bytes for an event beside the ",
               keep_free_bytes_, " that stay free and what ", granted_.size(),
               " others may take; it needs ", min_bytes));
  }
  auto budget = std::make_shared<ByteBudget>(
      std::min(max_bytes, std::max(min_bytes, bytes - bytes / 2)));
  granted_.push_back(budget);
  return budget;
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
