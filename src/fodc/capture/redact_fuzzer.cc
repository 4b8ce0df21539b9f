// SPDX-License-Identifier: Apache-2.0
// Text of anybody: it must end, stay within bounds, and take out what stands
// behind a name that says so.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fodc/capture/redact.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using fodc::capture::RedactText;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string once = RedactText(text);
  // Each piece that goes has at least a byte.
  if (once.size() > size * (fodc::capture::kRedacted.size() + 1)) std::abort();
  (void)fodc::capture::RedactArguments(text);
  (void)fodc::capture::RedactEnvironment(text);
  fodc::capture::Redactor open;
  std::string open_line;
  open.AppendOpenLine(text, &open_line);
  // Whatever came before.
  constexpr std::string_view kSecret = "hunter2hunter2";
  std::string after(text);
  after += "\npassword=";
  after += kSecret;
  if (text.find("hunter2") == text.npos &&
      RedactText(after).find(kSecret) != std::string::npos) {
    std::abort();
  }
  return 0;
}
