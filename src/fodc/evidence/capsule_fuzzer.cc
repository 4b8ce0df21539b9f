// SPDX-License-Identifier: Apache-2.0
// A capsule, with any bytes in it: as a file, and, so that what is inside is
// reached, as an archive.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/evidence/capsule_testing.h"
#include "fodc/evidence/event_id.h"

namespace {

using namespace fodc::evidence;  // NOLINT(google-build-using-namespace)

// What a reader is told must be fit to be the name of a file.
class Names final : public CapsuleVisitor {
 public:
  fodc::Status OnFile(std::string_view id, std::string_view name,
                      std::uint64_t bytes) override {
    FODC_CHECK(ParseEventId(id).ok());
    FODC_CHECK(name == "meta.json" || CheckArtifactName(name).ok());
    FODC_CHECK(left_ == 0);
    left_ = bytes;
    return {};
  }
  fodc::Status OnBytes(std::string_view bytes) override {
    FODC_CHECK(bytes.size() <= left_);
    left_ -= bytes.size();
    return {};
  }

 private:
  std::uint64_t left_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr CapsuleLimits kLimits = {.max_bytes = 1 << 20};
  {
    Names names;
    (void)ReadCapsule(ReadFrom(bytes), &names, kLimits);
  }
  Names names;
  const std::string frame = Compress(bytes);
  const auto content = ReadCapsule(ReadFrom(frame), &names, kLimits);
  if (content.ok()) FODC_CHECK(CheckEventMeta(content->meta).ok());
  (void)DecodeManifest(bytes);
  return 0;
}
