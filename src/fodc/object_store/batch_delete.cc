// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/batch_delete.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/retry.h"

namespace fodc::object_store {
namespace {

// Of what is weak within a batch; then each on its own, with more patience.
constexpr int kRounds = 3;
constexpr std::chrono::milliseconds kPause{200};
constexpr std::size_t kMaxShownBytes = 300;

// Whether the batch itself was refused: then its keys may be taken alone.
bool IsRefused(Code code) {
  return code == Code::kInvalidArgument || code == Code::kNotFound ||
         code == Code::kFailedPrecondition || code == Code::kUnimplemented ||
         code == Code::kPermissionDenied || code == Code::kDataLoss;
}

}  // namespace

Result<std::vector<BatchAnswer>> ReadBatch(const HttpAnswer& answer,
                                           std::size_t requests) {
  return ReadBatch(answer.Header("Content-Type"), answer.body, requests);
}

Status BatchDelete::Delete(const std::vector<std::string>& keys,
                           const std::stop_token& stop) {
  Status first;
  for (std::size_t at = 0; at < keys.size(); at += calls_.most) {
    const auto from = keys.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(calls_.most, keys.size() - at);
    Status s =
        DeleteSome({from, from + static_cast<std::ptrdiff_t>(count)}, stop);
    if (s.code() == Code::kCancelled) return s;
    if (first.ok()) first = std::move(s);
  }
  return first;
}

Status BatchDelete::DeleteEach(const std::vector<std::string>& keys,
                               const std::stop_token& stop) {
  Status first;
  for (const std::string& key : keys) {
    Status s = calls_.one(key, stop);
    if (s.code() == Code::kCancelled) return s;
    if (first.ok()) first = std::move(s);
  }
  return first;
}

Status BatchDelete::DeleteSome(std::vector<std::string> keys,
                               const std::stop_token& stop) {
  Status first;
  for (int round = 0; keys.size() > 1 && round < kRounds && !has_none_;
       ++round) {
    if (!WaitUnlessStopped(kPause * round, stop)) return Cancelled("stopped");
    auto answers = calls_.some(keys, stop);
    if (!answers.ok()) {
      if (!IsRefused(answers.status().code())) return answers.status();
      has_none_ = true;
      break;
    }
    keys = Judge(keys, *std::move(answers), &first);
  }
  const Status s = DeleteEach(keys, stop);
  return first.ok() || s.code() == Code::kCancelled ? s : first;
}

std::vector<std::string> BatchDelete::Judge(
    const std::vector<std::string>& keys, std::vector<BatchAnswer> answers,
    Status* first) const {
  std::vector<std::string> again;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const HttpAnswer answer{.status = answers[i].status,
                            .headers = std::move(answers[i].headers),
                            .body = std::move(answers[i].body)};
    if (answer.status >= 200 && answer.status < 300) continue;
    const ServiceError error = calls_.read_error(answer);
    if (answer.status == 404 && !calls_.is_of_bucket(error)) continue;
    if (ClassifyAnswer(answer.status, error.code) != Attempt::kRefused) {
      again.push_back(keys[i]);
      continue;
    }
    if (!first->ok()) continue;
    std::string text =
        StrCat(calls_.store, ": delete ", keys[i], ": HTTP ", answer.status);
    for (const std::string& more : {error.code, error.message}) {
      const std::string_view shown =
          std::string_view(more).substr(0, kMaxShownBytes);
      if (!shown.empty()) text += StrCat(": ", ToValidUtf8(shown));
    }
    *first = Status(CodeOfAnswer(answer.status, error.code), std::move(text));
  }
  return again;
}

}  // namespace fodc::object_store
