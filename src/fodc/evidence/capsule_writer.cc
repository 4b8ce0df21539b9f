// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/capsule_writer.h"

#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/capsule.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/sha256.h"
#include "fodc/evidence/tar.h"

namespace fodc::evidence {
namespace {

// Profiles are compressed already; what gains is text, at any level.
constexpr int kLevel = 1;
constexpr std::size_t kInputBytes = 64 << 10;
constexpr std::size_t kEndBlocks = 2;

struct FreeContext {
  void operator()(ZSTD_CCtx* c) const { (void)ZSTD_freeCCtx(c); }
};

// A file of the archive: from disk, or from memory.
struct Member {
  std::string name;
  std::string text;
  std::optional<ArtifactReader> artifact;

  std::uint64_t size_bytes() const {
    return artifact ? artifact->size_bytes() : text.size();
  }
};

}  // namespace

struct CapsuleWriter::Impl {
  // Puts what comes next in the archive into `input`, if only nothing.
  Status Fill();
  Status BeginMember();
  Status ReadMember();

  std::string id;
  std::int64_t modified_seconds = 0;
  std::vector<Member> members;
  std::size_t member = 0;     // the one that is being read
  bool has_begun = false;     // its head is out
  bool has_manifest = false;  // it is among the members
  std::uint64_t offset = 0;   // in it
  Sha256 sha256;              // of it
  Manifest manifest;
  bool has_end = false;  // the archive's end was put into `input`
  bool is_last = false;  // nothing comes after `input`

  std::string input;
  std::size_t input_taken = 0;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context;
  bool is_done = false;
  Status status;
};

CapsuleWriter::CapsuleWriter(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
CapsuleWriter::~CapsuleWriter() = default;

Result<std::unique_ptr<CapsuleWriter>> CapsuleWriter::Make(
    const EventStore& store, std::string_view id) {
  FODC_ASSIGN_OR_RETURN(const EventInfo info, store.Read(id));
  auto impl = std::make_unique<Impl>();
  impl->id = id;
  impl->modified_seconds = std::chrono::duration_cast<std::chrono::seconds>(
                               info.meta.captured_at.time_since_epoch())
                               .count();
  impl->members.push_back({.name = std::string(kMetaFile),
                           .text = EncodeEventMetaForOthers(info.meta),
                           .artifact = {}});
  for (const std::string& name : EventFiles(info.meta)) {
    auto artifact = store.OpenArtifact(id, name);
    if (!artifact.ok()) {
      if (artifact.status().code() == Code::kNotFound) continue;
      return artifact.status();
    }
    impl->members.push_back(
        {.name = name, .text = {}, .artifact = *std::move(artifact)});
  }
  impl->context.reset(ZSTD_createCCtx());
  if (impl->context == nullptr) return ResourceExhausted("no memory for zstd");
  for (const auto& [parameter, value] :
       {std::pair(ZSTD_c_compressionLevel, kLevel),
        std::pair(ZSTD_c_checksumFlag, 1)}) {
    FODC_CHECK(!ZSTD_isError(
        ZSTD_CCtx_setParameter(impl->context.get(), parameter, value)));
  }
  impl->input.reserve(kInputBytes + 2 * kTarBlockBytes);
  return std::unique_ptr<CapsuleWriter>(new CapsuleWriter(std::move(impl)));
}

std::string CapsuleWriter::filename() const {
  return StrCat(impl_->id, kCapsuleSuffix);
}

Status CapsuleWriter::Impl::BeginMember() {
  const Member& m = members[member];
  FODC_ASSIGN_OR_RETURN(const TarBlock head,
                        EncodeTarHead({.name = StrCat(id, "/", m.name),
                                       .size_bytes = m.size_bytes(),
                                       .modified_seconds = modified_seconds}));
  input.assign(head.data(), head.size());
  has_begun = true;
  offset = 0;
  sha256 = Sha256();
  return OkStatus();
}

Status CapsuleWriter::Impl::ReadMember() {
  const Member& m = members[member];
  const std::size_t want =
      std::min<std::uint64_t>(kInputBytes, m.size_bytes() - offset);
  if (m.artifact) {
    input.resize(want);
    FODC_ASSIGN_OR_RETURN(
        const std::size_t n,
        m.artifact->ReadAt(offset, std::span(input.data(), want)));
    FODC_CHECK(n == want);
  } else {
    input.assign(m.text, offset, want);
  }
  sha256.Update(input);
  offset += want;
  if (offset < m.size_bytes()) return OkStatus();
  input.append(TarPadding(offset), '\0');
  manifest.emplace(m.name, sha256.Hex());
  ++member;
  has_begun = false;
  return OkStatus();
}

Status CapsuleWriter::Impl::Fill() {
  input.clear();
  input_taken = 0;
  if (member == members.size() && !has_manifest) {
    members.push_back({.name = std::string(kManifestFile),
                       .text = EncodeManifest(manifest),
                       .artifact = {}});
    has_manifest = true;
  }
  if (member < members.size()) return has_begun ? ReadMember() : BeginMember();
  if (std::exchange(has_end, true))
    is_last = true;
  else
    input.assign(kEndBlocks * kTarBlockBytes, '\0');
  return OkStatus();
}

Result<std::size_t> CapsuleWriter::Read(std::span<char> buffer) {
  Impl& w = *impl_;
  FODC_RETURN_IF_ERROR(w.status);
  ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
  while (out.pos == 0 && !w.is_done) {
    if (w.input_taken == w.input.size()) {
      w.status = w.Fill();
      FODC_RETURN_IF_ERROR(w.status);
    }
    ZSTD_inBuffer in{w.input.data(), w.input.size(), w.input_taken};
    const std::size_t left = ZSTD_compressStream2(
        w.context.get(), &out, &in, w.is_last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0) {
      w.status = Internal(StrCat("zstd: ", ZSTD_getErrorName(left)));
      return w.status;
    }
    w.input_taken = in.pos;
    w.is_done = w.is_last && left == 0;
  }
  return out.pos;
}

}  // namespace fodc::evidence
