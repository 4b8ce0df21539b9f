// SPDX-License-Identifier: Apache-2.0
// The two text formats and how HTTP names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fodc::exposition {

enum class Format : std::uint8_t {
  kText,         // Prometheus text 0.0.4
  kOpenMetrics,  // OpenMetrics 1.0
};

// The value of a Content-Type header for pages that we write.
std::string_view ContentType(Format format);

// The format that a Content-Type header announces, without regard to case and
// parameters. No header at all, as some old exporters answer, is text 0.0.4.
// Nothing for every other kind of content: HTML, JSON, protobuf.
std::optional<Format> FormatOfContentType(std::string_view content_type);

// The format to answer a request in whose Accept header is this: OpenMetrics
// if it is asked for by name with at least the weight of text/plain.
Format NegotiateFormat(std::string_view accept);

}  // namespace fodc::exposition
