// SPDX-License-Identifier: Apache-2.0
// Accept-Encoding headers from anybody.
#include <cstdlib>

#include "fodc/net/content_coding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // What is chosen is accepted.
  if (!AcceptsCoding(text, NegotiateCoding(text))) std::abort();
  return 0;
}
