// SPDX-License-Identifier: Apache-2.0
// Which names sound like secrets: of keys, flags, variables, XML elements.
#pragma once

#include <string_view>

namespace fodc::capture {

// Whether a key, flag or variable of that name has a value that is nobody's
// business: "db.password", "AWS_SECRET_ACCESS_KEY", "--api-key", "DB_PASS"; but
// not "password_file", "token_ttl" or "PWD".
bool IsSecretName(std::string_view name);

// Of those, one whose value may as well be a group of keys of which but some
// are secret ("basic_auth:"): what is indented below it is looked at by itself.
bool IsGroupName(std::string_view name);

}  // namespace fodc::capture
