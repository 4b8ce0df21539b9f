// SPDX-License-Identifier: Apache-2.0
// Directories of evidence below a root: their names, how a file gets into one,
// and how many stay. The functions that return an errno are async-signal-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "record_buffer.h"

namespace fodc::guard {

inline constexpr char kPanicFile[] = "panic.json";
inline constexpr char kStateDumpFile[] = "deep-dump.json";

// As part of a directory's name: '/', '\', ':', blanks and control characters
// become '-', what is no UTF-8 U+FFFD; '-' at both ends goes; "unknown" if
// nothing is left. Of the first 100 bytes.
std::string CleanComponent(std::string_view component);

// <YYYYMMDDTHHMMSS.nnnnnnnnnZ>-<cleaned component>-<pid>
void AppendArtifactId(UnixTime t, std::string_view cleaned, pid_t pid,
                      RecordBuffer* out);

// `directory` against the working directory, and made if need be.
// Errors: kInvalidArgument if it is no path that fits; then `*root` is empty.
// Otherwise `*root` is set, also if it could not be made.
Status PrepareRoot(const std::string& directory, std::string* root);

// The artifact's directory below `root`, and `root` itself if its parent is
// there. 0, or the errno; EEXIST if there is one of this name.
int MakeArtifact(const char* root, std::string_view id);

// Puts a file (0600) into the artifact: written beside, synced, renamed, so
// that it is there whole or not at all. 0, or the errno.
int WriteIntoArtifact(const char* root, std::string_view id, const char* name,
                      std::string_view bytes);

// Removes the directory of an artifact that did not get its panic.json.
void RemoveUnfinished(const char* root, std::string_view id);

// Removes the directories with a panic.json whose names come first, until
// `keep` are left; other directories are not touched, nor is `spared`, which
// counts: the one that was just written comes first if the clock was set back.
// 0 keeps all. 0, or the errno of what could not be removed.
int PruneArtifacts(const char* root, std::size_t keep,
                   std::string_view spared = {});

}  // namespace fodc::guard
