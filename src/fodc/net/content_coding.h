// SPDX-License-Identifier: Apache-2.0
// The codings of bodies, and which one a client takes.
#pragma once

#include <cstdint>
#include <string_view>

namespace fodc::net {

enum class ContentCoding : std::uint8_t { kIdentity, kGzip, kZstd };

// "identity", "gzip", "zstd": as in Content-Encoding.
std::string_view ContentCodingName(ContentCoding coding);

// The coding to answer with for an Accept-Encoding header: the offered one of
// highest q; zstd before gzip before identity at equal q; identity when nothing
// fits (RFC 9110 section 12.5.3 allows it). `x-gzip` is gzip; `*` is any but
// zstd, which a client that can read it names; a bad element is passed over.
ContentCoding NegotiateCoding(std::string_view accept_encoding);
// Whether `coding` may be sent at all: its q is more than 0.
bool AcceptsCoding(std::string_view accept_encoding, ContentCoding coding);

}  // namespace fodc::net
