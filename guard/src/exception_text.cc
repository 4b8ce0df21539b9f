// SPDX-License-Identifier: Apache-2.0
#include "exception_text.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>

namespace fodc::guard {
namespace {

struct Free {
  void operator()(char* text) const { std::free(text); }
};

// All of it, or what fits.
void AppendText(std::string_view text, RecordBuffer* out) {
  const std::size_t room = out->room();
  out->Append(": ");
  out->Append(text.substr(0, room > 2 ? room - 2 : 0));
}

}  // namespace

void AppendCurrentException(RecordBuffer* out) noexcept {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return;
  int status = 0;
  const std::unique_ptr<char, Free> plain(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status));
  out->Append(plain != nullptr ? plain.get() : type->name());
  try {
    throw;
  } catch (const std::exception& e) {
    AppendText(e.what(), out);
  } catch (const std::string& s) {
    AppendText(s, out);
  } catch (const char* s) {
    AppendText(s == nullptr ? "" : s, out);
  } catch (...) {
    // Of other types only the type can be told.
  }
}

}  // namespace fodc::guard
