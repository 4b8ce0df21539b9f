// SPDX-License-Identifier: Apache-2.0
// Columns: the values of one series over the rows of a sealed stretch. The
// bytes are specified in docs/formats/recording.md, "Columns".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::recorder {

// A row at which a value changes. Within a column ascending, from row 1 on.
struct ColumnChange {
  std::uint32_t row = 0;
  double value = 0;
};

// Writes columns one after the other. Not thread-safe.
class ColumnEncoder {
 public:
  // Requires: 1 <= rows <= kMaxStretchRows.
  explicit ColumnEncoder(std::size_t rows);
  ~ColumnEncoder();

  // Adds a column that begins with `first`. `exponent`: of the decimal that
  // fits the most of its values, or kRawExponent; a hint.
  void Add(double first, std::span<const ColumnChange> changes, int exponent);

  // Appends all columns.
  void Finish(std::string* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads the columns of untrusted bytes. Init checks all that Decode relies on.
class ColumnDecoder {
 public:
  // Readable bytes that must follow those handed to Init.
  static constexpr std::size_t kSlackBytes = 16;

  // `bytes` must outlive the decoder. Errors: kDataLoss.
  Status Init(std::string_view bytes, std::size_t rows, std::size_t columns);

  std::size_t columns() const { return modes_.size(); }
  // Writes `rows` values. Thread-safe.
  void Decode(std::size_t column, double* out) const;
  std::size_t memory_bytes() const;

  // What Decode needs between two calls to be fast when columns are read in
  // order; may be null.
  struct Cache {
    std::size_t column = SIZE_MAX;
    std::vector<std::int64_t> deltas;
  };
  void Decode(std::size_t column, double* out, Cache* cache) const;

 private:
  struct Place {
    std::uint32_t params = 0;
    std::uint32_t widths = 0;  // in half bytes
    std::uint32_t payload = 0;
    std::uint32_t reference = UINT32_MAX;  // column
  };

  bool SkipSequence(class ByteReader* in, unsigned transform, bool divided,
                    Place* place, std::size_t* widths, std::size_t* payload);
  void DecodeSequence(class ByteReader* in, unsigned transform, bool divided,
                      const Place& place, std::size_t* widths,
                      std::size_t* payload, Cache* cache,
                      std::int64_t* deltas) const;
  void DecodeDeltas(std::size_t column, Cache* cache,
                    std::int64_t* deltas) const;

  std::string_view bytes_;
  std::size_t rows_ = 0;
  std::size_t groups_ = 0;
  std::size_t params_offset_ = 0;
  const std::uint8_t* widths_ = nullptr;
  const std::uint8_t* payload_ = nullptr;
  std::vector<std::uint8_t> modes_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> moving_;  // columns that are not constant
};

}  // namespace fodc::recorder
