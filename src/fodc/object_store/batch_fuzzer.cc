// SPDX-License-Identifier: Apache-2.0
// Answers to batches of a service that is not trusted.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "fodc/object_store/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view type = text.substr(0, end);
  const std::string_view body = text.substr(end);
  for (const std::string_view t : {type, std::string_view("multipart/mixed;"
                                                          " boundary=b")}) {
    const auto answers = ReadBatch(t, body, 3);
    if (!answers.ok()) continue;
    if (answers->size() != 3) std::abort();
    for (const BatchAnswer& answer : *answers) {
      if (answer.status != 0 && (answer.status < 200 || answer.status > 599))
        std::abort();
    }
  }
  return 0;
}
