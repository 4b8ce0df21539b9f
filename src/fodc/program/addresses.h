// SPDX-License-Identifier: Apache-2.0
// Addresses as flags take them.
#pragma once

#include <string_view>

#include "fodc/base/status.h"

namespace fodc::program {

// HOST:PORT to connect to; a host in brackets may have colons.
// Errors: kInvalidArgument with the text and what is wrong.
Status CheckPeerAddress(std::string_view text);
// HOST:PORT or :PORT to listen at; port 0 takes a free one.
// Errors: as above.
Status CheckListenAddress(std::string_view text);

}  // namespace fodc::program
