// SPDX-License-Identifier: Apache-2.0
// Any bytes as the record of stops; what is taken is written back the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guardian/stop_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const auto record = fodc::guardian::DecodeStopRecord(
      {reinterpret_cast<const char*>(data), size});
  if (record.ok()) {
    const auto again = fodc::guardian::DecodeStopRecord(
        fodc::guardian::EncodeStopRecord(*record));
    FODC_CHECK(again.ok() && *again == *record);
  }
  return 0;
}
