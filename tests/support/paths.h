// SPDX-License-Identifier: Apache-2.0
// Where the sources and the built programs are. Only paths.cc is compiled with
// these paths, so that a cache of compiled files serves every clone.
#pragma once

#include <string>
#include <string_view>

namespace fodc::test {

// <root of the repository>/<relative>
std::string SourcePath(std::string_view relative);
// <build directory of this preset>/bin/<name>
std::string ProgramPath(std::string_view name);

}  // namespace fodc::test
