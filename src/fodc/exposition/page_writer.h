// SPDX-License-Identifier: Apache-2.0
// Writes exposition pages, of one source or merged from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fodc/exposition/format.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/rendered_layout.h"

namespace fodc::exposition {

// The samples of one source at one time.
struct PagePart {
  const RenderedLayout* layout = nullptr;
  // RenderIdentity of labels with the names that the layout was built for.
  std::string_view identity;
  std::span<const double> values;  // one per series of the layout
  // Written behind each value: milliseconds in text, seconds in OpenMetrics.
  std::optional<std::int64_t> unix_ms;
};

// A page of all parts: families by name, each with one HELP and one TYPE; in a
// family the parts of one layout in their order. A page can be read by
// Prometheus as long as no two parts have the same series and identity.
// Where parts disagree, the first one's help and type stand; a family that is
// histogram, summary or (in OpenMetrics) counter to one part and something else
// to another, or whose series another family is named after, is written series
// by series, without a type: names are never lost or changed.
//
// Writes piece by piece, in memory that does not grow with the page, except
// for the list of families. Layouts, identities and values must outlive it.
// Not thread-safe.
class PageWriter {
 public:
  // All layouts were built for `format`.
  PageWriter(Format format, std::span<const PagePart> parts);
  ~PageWriter();
  PageWriter(PageWriter&&) noexcept;
  PageWriter& operator=(PageWriter&&) noexcept;

  // Writes the next bytes of the page, at most `size` of them, which is at
  // least 1. Returns how many; 0 when the page is complete. Whole lines, unless
  // one does not fit into an empty buffer.
  std::size_t Write(char* buffer, std::size_t size);

  // Appends all that is left.
  void WriteAll(std::string* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The text that PageWriter puts before each family; for tests and others.
std::string_view TypeWord(Format format, MetricType type);

}  // namespace fodc::exposition
