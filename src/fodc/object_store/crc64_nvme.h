// SPDX-License-Identifier: Apache-2.0
// CRC-64/NVME, as S3 has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace fodc::object_store {

// Of what `crc` is of, with `bytes` behind it; 0 is that of nothing.
std::uint64_t ExtendCrc64Nvme(std::uint64_t crc, std::string_view bytes);

}  // namespace fodc::object_store
