// SPDX-License-Identifier: Apache-2.0
// The file of the targets' state, with any bytes in it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/kept_text.h"
#include "fodc/base/strings.h"
#include "fodc/target/kept_row.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)fodc::target::DecodeKeptRows(text);
  // With a right checksum, so that the lines are read.
  const std::string whole =
      fodc::SealText("fodc-targets 1\n", fodc::StrCat(text, "\n"));
  const auto rows = fodc::target::DecodeKeptRows(whole);
  if (!rows.ok()) return 0;
  const std::string again = fodc::target::EncodeKeptRows(*rows);
  const auto same = fodc::target::DecodeKeptRows(again);
  FODC_CHECK(same.ok());
  FODC_CHECK(fodc::target::EncodeKeptRows(*same) == again);
  return 0;
}
