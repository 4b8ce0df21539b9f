// SPDX-License-Identifier: Apache-2.0
// For tests: capsules of events, made as an agent makes them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/capsule_writer.h"
#include "fodc/evidence/event_store_testing.h"

namespace fodc::ctl {

inline const UnixTime kCapturedAt = FakeClock().Unix();

inline std::string DrainCapsule(const evidence::EventStore& store,
                                std::string_view id) {
  const auto capsule = evidence::CapsuleWriter::Make(store, id);
  EXPECT_THAT(capsule, IsOk());
  std::string bytes;
  std::string buffer(1 << 16, '\0');
  for (;;) {
    const auto n = (*capsule)->Read(buffer);
    EXPECT_THAT(n, IsOk());
    if (!n.ok() || *n == 0) return bytes;
    bytes.append(buffer, 0, *n);
  }
}

class CapsuleTest : public testing::Test {
 protected:
  // Profiles are what ends in .pprof, of the type that the rest of the name
  // is. A step of `meta` that names a file becomes its receipt. `gone` is
  // removed from the disk before the capsule is made.
  std::string CapsuleBytes(evidence::EventMeta meta,
                           const evidence::Artifacts& artifacts,
                           const std::string& gone = "") {
    const TempDirectory root;
    const auto store = evidence::OpenStore(root.path());
    const auto writer = store->Begin(kCapturedAt, evidence::kPlenty);
    EXPECT_THAT(writer, IsOk());
    for (const auto& [name, text] : artifacts) {
      auto sink = (*writer)->OpenArtifact(name, 64 << 20);
      EXPECT_THAT(sink, IsOk());
      EXPECT_THAT((*sink)->Append(text), IsOk());
      const auto digest = (*sink)->Finish();
      EXPECT_THAT(digest, IsOk());
      evidence::EventStep& step = StepOf(&meta, name);
      step.bytes = digest->bytes;
      step.sha256 = digest->sha256;
      if (!name.ends_with(".pprof")) continue;
      evidence::EventProfile& profile = meta.profiles.emplace_back();
      profile.type = name.substr(0, name.find('.'));
      profile.filename = name;
      profile.filepath = StrCat(root.path(), "/", name);
      profile.size_bytes = digest->bytes;
    }
    EXPECT_THAT((*writer)->Commit(meta), IsOk());
    const std::string id = (*writer)->id();
    if (!gone.empty()) {
      EXPECT_EQ(::unlink(StrCat(root.path(), "/", id, "/", gone).c_str()), 0);
    }
    return DrainCapsule(*store, id);
  }
  // The path.
  std::string WriteCapsule(const evidence::EventMeta& meta,
                           const evidence::Artifacts& artifacts,
                           const std::string& gone = "") {
    std::string path = tree_.File("x.tar.zst");
    EXPECT_THAT(WriteFileAtomically(path, CapsuleBytes(meta, artifacts, gone)),
                IsOk());
    return path;
  }

  TempDirectory tree_;

 private:
  static evidence::EventStep& StepOf(evidence::EventMeta* meta,
                                     const std::string& file) {
    for (evidence::EventStep& s : meta->steps) {
      if (s.file == file) return s;
    }
    evidence::EventStep& step = meta->steps.emplace_back();
    step.step = file.substr(0, file.find('.'));
    step.file = file;
    step.started = kCapturedAt;
    return step;
  }
};

}  // namespace fodc::ctl
