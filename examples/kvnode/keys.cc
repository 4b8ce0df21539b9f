// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/keys.h"

namespace kvnode {
namespace {

template <std::unsigned_integral T>
void AppendBigEndian(T value, std::string* out) {
  for (std::size_t i = sizeof(T); i-- > 0;) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

std::string WithPrefix(std::string_view prefix, std::string_view rest) {
  std::string out(prefix);
  out.append(rest);
  return out;
}

}  // namespace

std::string ValueKey(std::string_view key) {
  return WithPrefix(kValuePrefix, key);
}

std::string BlobKey(std::string_view stream) {
  return WithPrefix(kBlobPrefix, stream);
}

std::string EntryPrefix(std::string_view stream) {
  std::string out = "e";
  AppendBigEndian(static_cast<std::uint32_t>(stream.size()), &out);
  out.append(stream);
  return out;
}

std::string EntryKey(std::string_view stream, std::uint64_t sequence) {
  std::string out = EntryPrefix(stream);
  AppendBigEndian(sequence, &out);
  return out;
}

std::uint64_t SequenceOf(std::string_view entry_key) {
  std::uint64_t sequence = 0;
  for (const char c : entry_key.substr(entry_key.size() - sizeof sequence)) {
    sequence = sequence << 8 | static_cast<unsigned char>(c);
  }
  return sequence;
}

std::string Behind(std::string prefix) {
  while (prefix.back() == '\xff') prefix.pop_back();
  ++prefix.back();
  return prefix;
}

}  // namespace kvnode
