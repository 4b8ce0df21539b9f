// SPDX-License-Identifier: Apache-2.0
// One artifact out of several small files: each below a line that names it, as
// head(1) does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/strings.h"
#include "fodc/capture/held_process.h"
#include "fodc/capture/patient_thread.h"

namespace fodc::capture {

// Not thread-safe. Takes `max_bytes` and no more.
class SectionText {
 public:
  explicit SectionText(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  bool is_full() const { return text_.text.size() >= max_bytes_; }

  void Add(std::string_view title, std::string_view text) {
    const std::string head =
        StrCat(text_.text.empty() ? "" : "\n", "==> ", title, " <==\n");
    ++sections_;
    AddPiece(head);
    AddPiece(text);
    if (!text.ends_with('\n')) AddPiece("\n");
  }
  // A file as it is. What cannot be read is said in its place.
  void AddFile(const Directory& directory, std::string_view name) {
    AddFile(directory, name, StrCat(directory.path(), "/", name));
  }
  void AddFile(const Directory& directory, std::string_view name,
               std::string_view title) {
    if (is_full()) return;
    auto piece = ReadPiece(directory, name, max_bytes_ - text_.text.size());
    if (!piece.ok()) {
      AddFailure(std::move(piece).status());
      return;
    }
    Add(title, piece->text);
    if (piece->is_cut) Cut(StrCat(title, " is longer"));
  }
  // Of a file of ours that may not be there.
  void AddFailure(Status status) {
    if (first_failure_.ok()) first_failure_ = std::move(status);
  }
  void Cut(std::string reason) {
    if (text_.cut_reason.empty()) text_.cut_reason = std::move(reason);
  }

  // Errors: if nothing could be read, why.
  Result<StepText> Take() && {
    if (sections_ == 0) {
      return first_failure_.ok() ? NotFound("there is nothing to read")
                                 : first_failure_;
    }
    return std::move(text_);
  }

 private:
  void AddPiece(std::string_view piece) {
    const std::size_t left =
        max_bytes_ - std::min(max_bytes_, text_.text.size());
    text_.text += piece.substr(0, left);
    if (piece.size() > left)
      Cut(StrCat("it is longer than ", max_bytes_, " bytes"));
  }

  const std::size_t max_bytes_;
  StepText text_;
  std::size_t sections_ = 0;
  Status first_failure_;
};

}  // namespace fodc::capture
