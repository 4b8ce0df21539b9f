// SPDX-License-Identifier: Apache-2.0
// The compiled programs of bpf/, embedded in the binary.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace fodc::kernel {

// The object of `stem` ("gate", "cache", ...). Empty if there is none.
std::span<const std::byte> ObjectBytes(std::string_view stem);

}  // namespace fodc::kernel
