// SPDX-License-Identifier: Apache-2.0
// The shared files of AWS's tools: ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::object_store {

// Settings of a profile; names in lower case.
using AwsProfile = std::map<std::string, std::string>;
using AwsProfiles = std::map<std::string, AwsProfile>;

// "[default]" and "[name]", as in the file of credentials, "[profile name]" as
// in that of configuration; other sections are left out. Comments begin with
// '#' or ';' at the beginning of a line, or behind a blank. Settings within a
// setting (indented) are left out. What a profile says twice counts the last
// time. Errors: kInvalidArgument naming `path` and the line, never what is in
// it: it may be a secret.
Result<AwsProfiles> ReadAwsProfiles(std::string_view text,
                                    std::string_view path);

}  // namespace fodc::object_store
