// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_check.h"

#include <algorithm>
#include <array>
#include <optional>

#include "fodc/base/strings.h"
#include "fodc/pprof/text_profile.h"
#include "fodc/pprof/wire.h"

namespace fodc::capture {
namespace {

// With so many the head is judged.
constexpr std::size_t kJudgedBytes = 512;
// A piece of so many gives a thousand times as many at most.
constexpr std::size_t kInflatedAtOnce = 512;
constexpr std::size_t kMostInflatedAtOnce = 1 << 20;
constexpr std::size_t kQuotedBytes = 48;
constexpr std::string_view kGzip = "\x1f\x8b";

// Texts that pprof opens and room pprof does not read.
constexpr std::array<std::string_view, 6> kTexts = {
    "--- contention", "--- mutex",  "--- heap",
    "--- profile",    "--- growth", "--- threadz"};

// Of profile.proto: which wire types the field may have.
bool IsFieldOfProfile(const pprof::WireField& field) {
  switch (field.number) {
    case 1:   // sample_type
    case 2:   // sample
    case 3:   // mapping
    case 4:   // location
    case 5:   // function
    case 6:   // string_table
    case 11:  // period_type
      return field.is_bytes;
    case 13:  // comment
      return true;
    case 15:  // doc_url
    case 7:
    case 8:
    case 9:
    case 10:
    case 12:
    case 14:
      return !field.is_bytes;
    default:
      return false;
  }
}

// Whether the tag at the front is that of a field that goes on behind the end.
bool IsCutField(std::string_view rest) {
  const auto tag = pprof::TakeVarint(&rest);
  if (!tag) return true;
  const std::uint64_t number = *tag >> 3;
  const std::uint64_t kind = *tag & 7;
  return number >= 1 && number <= 15 && (kind == 0 || kind == 2);
}

bool IsMessage(std::string_view bytes, bool is_all) {
  std::string_view rest = bytes;
  std::uint32_t seen = 0;
  while (!rest.empty()) {
    const std::string_view before = rest;
    bool ok = true;
    const auto field = pprof::TakeField(&rest, &ok);
    if (!ok) return !is_all && IsCutField(before);
    if (!field || !IsFieldOfProfile(*field)) return false;
    // Those that are no lists are there once: text of one letter is no message.
    const std::uint32_t bit = 1u << field->number;
    if (field->number > 6 && field->number != 13 && (seen & bit) != 0)
      return false;
    seen |= bit;
  }
  return !bytes.empty();
}

// gperftools' CPU profile: words of the machine, 0, 3 (or more), 0, period, 0.
bool IsCpuWords(std::string_view bytes) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (bytes.size() < 5 * kWord) return false;
  const auto word = [&](std::size_t i) {
    std::uint64_t value = 0;
    bytes.copy(reinterpret_cast<char*>(&value), kWord, i * kWord);
    return value;
  };
  return word(0) == 0 && word(1) >= 3 && word(1) < 1024 && word(2) == 0 &&
         word(3) > 0;
}

bool IsPlainText(std::string_view bytes) {
  if (bytes.empty() || bytes.front() == '<') return false;
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\t' || c == '\r';
  });
}

bool IsProfile(std::string_view bytes, bool is_all) {
  return pprof::IsTextProfile(bytes) || IsCpuWords(bytes) ||
         std::any_of(kTexts.begin(), kTexts.end(),
                     [&](auto head) { return bytes.starts_with(head); }) ||
         IsMessage(bytes, is_all);
}

// How it begins, for people.
std::string Quote(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : ToValidUtf8(bytes.substr(0, kQuotedBytes)))
    out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  return out + '"';
}

}  // namespace

Status ProfileCheck::Add(std::string_view piece) {
  if (piece.empty()) return OkStatus();
  std::string joined;
  if (seen_ < kGzip.size()) {
    joined = StrCat(first_, piece);
    first_ = joined.substr(0, kQuotedBytes);
    if (joined.size() >= kGzip.size() && joined.starts_with(kGzip))
      decompressor_ = net::MakeDecompressor(net::ContentCoding::kGzip);
  }
  seen_ += piece.size();
  if (seen_ < kGzip.size()) return OkStatus();
  if (!joined.empty()) piece = joined;
  if (decompressor_) {
    FODC_RETURN_IF_ERROR(Inflate(piece));
  } else {
    head_ += piece.substr(0, kJudgedBytes - head_.size());
  }
  if (is_settled_ || head_.size() < kJudgedBytes) return OkStatus();
  FODC_RETURN_IF_ERROR(CheckHead(/*is_all=*/false));
  is_settled_ = true;
  return OkStatus();
}

Status ProfileCheck::Inflate(std::string_view piece) {
  std::uint64_t at = seen_ - piece.size();
  while (!piece.empty() && damage_.ok() && inflated_bytes_ < kMostInflated) {
    inflated_.clear();
    const std::string_view part = piece.substr(0, kInflatedAtOnce);
    if (Status s = decompressor_->Add(part, &inflated_, kMostInflatedAtOnce);
        !s.ok()) {
      if (at < kHeadBytes) return s.WithContext("no profile");
      damage_ = s.WithContext(StrCat("damaged at byte ", at, " or soon after"));
      return OkStatus();
    }
    piece.remove_prefix(part.size());
    at += part.size();
    inflated_bytes_ += inflated_.size();
    head_ += inflated_.substr(0, kJudgedBytes - head_.size());
  }
  return OkStatus();
}

Status ProfileCheck::CheckHead(bool is_all) const {
  if (is_text_ ? IsPlainText(head_) : IsProfile(head_, is_all))
    return OkStatus();
  return DataLoss("no profile; it begins with " +
                  Quote(head_.empty() ? first_ : head_));
}

Status ProfileCheck::End() {
  if (first_.empty()) return DataLoss("no profile; it is empty");
  if (decompressor_ && damage_.ok() && inflated_bytes_ < kMostInflated) {
    Status s = decompressor_->End();
    if (!s.ok() && seen_ < kHeadBytes) return s.WithContext("no profile");
    damage_ = s.WithContext("damaged");
  }
  return is_settled_ ? OkStatus() : CheckHead(/*is_all=*/true);
}

Status ProfileCheck::Cut() const {
  if (first_.empty()) return DataLoss("no profile; it is empty");
  if (is_settled_ || (decompressor_ && head_.empty())) return OkStatus();
  return CheckHead(/*is_all=*/false);
}

}  // namespace fodc::capture
