// SPDX-License-Identifier: Apache-2.0
// Rows of one source, one after the other. Each input byte pair is a length.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fodc/recorder/bytes.h"
#include "fodc/recorder/row_codec.h"

using fodc::recorder::BitsOf;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  fodc::recorder::SlotState state;
  fodc::recorder::SlotState again;
  fodc::recorder::Row row;
  fodc::recorder::Row read;
  while (input.size() >= 2) {
    const std::size_t length =
        (static_cast<std::uint8_t>(input[0]) |
         (static_cast<std::size_t>(static_cast<std::uint8_t>(input[1])) << 8)) %
        (input.size() - 1);
    const std::string_view bytes = input.substr(2, length);
    input.remove_prefix(2 + bytes.size());
    if (!DecodeRow(bytes, state, &row).ok()) continue;
    // What was read can be written and is read the same.
    fodc::recorder::SlotState before = again;
    std::string out;
    EncodeRow(row, &again, &out);
    if (!DecodeRow(out, before, &read).ok()) std::abort();
    if (read.changes.size() != row.changes.size()) std::abort();
    for (std::size_t i = 0; i < row.changes.size(); ++i) {
      if (read.changes[i].slot != row.changes[i].slot ||
          BitsOf(read.changes[i].value) != BitsOf(row.changes[i].value)) {
        std::abort();
      }
    }
    ApplyRow(row, &state);
    if (state.active != again.active || state.ids != again.ids) std::abort();
  }
  return 0;
}
