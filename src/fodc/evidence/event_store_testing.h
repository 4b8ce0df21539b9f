// SPDX-License-Identifier: Apache-2.0
// For tests: a store in a directory of its own, and events in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_store.h"

namespace fodc::evidence {

inline constexpr EventBudget kPlenty = {.max_bytes = 64 << 20, .min_bytes = 1};

inline std::unique_ptr<EventStore> OpenStore(const std::string& root) {
  return EventStore::Open({.root = root, .keep_free_bytes = 0}).value();
}

// The command's exit status.
inline int Shell(const std::string& command) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread of a test runs one
  return ::system(command.c_str());
}

// Writes the artifact whole and adds its receipt to `meta`.
inline void AddArtifact(EventWriter* writer, std::string_view name,
                        std::string_view text, EventMeta* meta) {
  auto sink = writer->OpenArtifact(name, 64 << 20);
  ASSERT_THAT(sink, IsOk());
  ASSERT_THAT((*sink)->Append(text), IsOk());
  const auto digest = (*sink)->Finish();
  ASSERT_THAT(digest, IsOk());
  meta->steps.push_back({.step = std::string(name),
                         .file = std::string(name),
                         .bytes = digest->bytes,
                         .sha256 = digest->sha256});
}

using Artifacts = std::vector<std::pair<std::string, std::string>>;

// The id.
inline std::string AddEvent(EventStore* store, UnixTime at,
                            const Artifacts& artifacts, EventMeta meta = {}) {
  const auto writer = store->Begin(at, kPlenty);
  EXPECT_THAT(writer, IsOk());
  if (!writer.ok()) return {};
  for (const auto& [name, text] : artifacts)
    AddArtifact(writer->get(), name, text, &meta);
  EXPECT_THAT((*writer)->Commit(meta), IsOk());
  return (*writer)->id();
}

inline std::string ReadAll(const ArtifactReader& reader) {
  std::string text(reader.size_bytes(), '\0');
  const auto n = reader.ReadAt(0, text);
  EXPECT_THAT(n, IsOkAndHolds(text.size()));
  return text;
}

class EventStoreTest : public ::testing::Test {
 protected:
  EventStoreTest() : root_(tree_.File("events")), store_(OpenStore(root_)) {}

  // What a restart of the agent does.
  void Reopen() {
    store_.reset();
    store_ = OpenStore(root_);
  }
  std::string Path(std::string_view id, std::string_view name = "") const {
    return StrCat(root_, "/", id, name.empty() ? "" : "/", name);
  }
  static bool Exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    const auto events = store_->List();
    EXPECT_THAT(events, IsOk());
    for (const EventInfo& e : *events) ids.push_back(e.id);
    return ids;
  }

  FakeClock clock_;
  const UnixTime now_ = clock_.Unix();
  TempDirectory tree_;
  const std::string root_;
  std::unique_ptr<EventStore> store_;
};

}  // namespace fodc::evidence
