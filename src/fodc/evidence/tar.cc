// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/tar.h"

#include <algorithm>
#include <optional>

#include "fodc/base/strings.h"

namespace fodc::evidence {
namespace {

struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kOwner{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 8};  // with the version behind it
constexpr Field kPrefix{345, 155};
constexpr std::string_view kMagicBytes("ustar\00000", 8);

std::string_view Bytes(const TarBlock& block, Field f) {
  return {block.data() + f.offset, f.size};
}

void PutText(TarBlock* block, Field f, std::string_view text) {
  std::copy(text.begin(), text.end(), block->data() + f.offset);
}

// All digits, and a NUL at the end.
void PutOctal(TarBlock* block, Field f, std::uint64_t number) {
  for (std::size_t i = f.size - 1; i-- > 0; number /= 8)
    (*block)[f.offset + i] = static_cast<char>('0' + number % 8);
}

std::optional<std::uint64_t> TakeOctal(const TarBlock& block, Field f) {
  std::uint64_t number = 0;
  const std::string_view text = Bytes(block, f);
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '7') return std::nullopt;
    number = number * 8 + static_cast<std::uint64_t>(text[i] - '0');
  }
  if (text.back() != '\0') return std::nullopt;
  return number;
}

// The sum of all bytes, with blanks for the checksum itself.
std::uint64_t Checksum(const TarBlock& block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool is_checksum =
        i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += is_checksum ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

}  // namespace

Result<TarBlock> EncodeTarHead(const TarHead& head) {
  if (head.name.empty() || head.name.size() >= kMaxTarNameBytes ||
      head.name.find('\0') != std::string::npos)
    return InvalidArgument(StrCat("a name of ", head.name.size(),
                                  " bytes does not fit into an archive"));
  if (head.size_bytes > kMaxTarFileBytes) {
    return InvalidArgument(StrCat(head.name, " has ", head.size_bytes,
                                  " bytes; an archive takes ",
                                  kMaxTarFileBytes));
  }
  TarBlock block{};
  PutText(&block, kName, head.name);
  PutOctal(&block, kMode, 0600);
  PutOctal(&block, kOwner, 0);
  PutOctal(&block, kGroup, 0);
  PutOctal(&block, kSize, head.size_bytes);
  PutOctal(&block, kModified,
           static_cast<std::uint64_t>(
               std::max<std::int64_t>(0, head.modified_seconds)));
  block[kType] = '0';
  PutText(&block, kMagic, kMagicBytes);
  PutOctal(&block, kChecksum, Checksum(block));
  return block;
}

Result<TarHead> DecodeTarHead(const TarBlock& block) {
  if (Bytes(block, kMagic) != kMagicBytes)
    return DataLoss("a head in the archive is not ustar's");
  if (TakeOctal(block, kChecksum) != Checksum(block))
    return DataLoss("a head in the archive has a wrong checksum");
  const std::string_view field = Bytes(block, kName);
  const std::string_view name = field.substr(0, field.find('\0'));
  if (name.empty() || name.size() == field.size() ||
      block[kPrefix.offset] != '\0')
    return DataLoss("a name in the archive is empty or too long");
  if (block[kType] != '0') {
    return DataLoss(
        StrCat(ToValidUtf8(name), " in the archive is no regular file"));
  }
  const auto size = TakeOctal(block, kSize);
  const auto modified = TakeOctal(block, kModified);
  if (!size || !modified) {
    return DataLoss(StrCat(ToValidUtf8(name),
                           " in the archive has no octal size and time"));
  }
  return TarHead{.name = std::string(name),
                 .size_bytes = *size,
                 .modified_seconds = static_cast<std::int64_t>(*modified)};
}

}  // namespace fodc::evidence
