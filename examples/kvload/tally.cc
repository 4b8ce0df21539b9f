// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/tally.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "fodc/base/strings.h"

namespace kvload {
namespace {

// The smallest value that `per_mille` of all are at or below; 0 of none.
double Quantile(const std::vector<float>& sorted, std::size_t per_mille) {
  if (sorted.empty()) return 0;
  return sorted[(sorted.size() - 1) * per_mille / 1000];
}

std::string Number(double value) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%.3f", value);
  return text.data();
}

}  // namespace

void Tally::Count(const fodc::Result<Answer>& answer,
                  std::chrono::nanoseconds duration) {
  if (!answer.ok()) {
    ++failed_;
  } else if (answer->status == 503) {
    ++rejected_;
  } else if (answer->status >= 300 && answer->status != 404) {
    ++refused_;
  } else {
    milliseconds_.push_back(
        std::chrono::duration<float, std::milli>(duration).count());
    bytes_ += answer->body.size();
  }
}

void Tally::Join(const Tally& other) {
  rejected_ += other.rejected_;
  refused_ += other.refused_;
  failed_ += other.failed_;
  bytes_ += other.bytes_;
  milliseconds_.insert(milliseconds_.end(), other.milliseconds_.begin(),
                       other.milliseconds_.end());
}

std::string Tally::Json(std::string_view load, std::string_view operation,
                        std::chrono::nanoseconds wall) const {
  std::vector<float> sorted = milliseconds_;
  std::ranges::sort(sorted);
  const double seconds = std::chrono::duration<double>(wall).count();
  return fodc::StrCat("{\"load\":\"", load, "\",\"operation\":\"", operation,
                      "\",\"ok\":", ok(), ",\"rejected\":", rejected_,
                      ",\"refused\":", refused_, ",\"failed\":", failed_,
                      ",\"bytes\":", bytes_, ",\"seconds\":", Number(seconds),
                      ",\"p50_ms\":", Number(Quantile(sorted, 500)),
                      ",\"p99_ms\":", Number(Quantile(sorted, 990)),
                      ",\"max_ms\":", Number(Quantile(sorted, 1000)), "}");
}

}  // namespace kvload
