// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/token_service.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxAnswerBytes = 64u << 10;
constexpr std::size_t kMaxShownBytes = 200;
constexpr int kAttempts = 3;
constexpr std::chrono::milliseconds kPause{200};
// Where there is no such service, connecting takes its time once.
constexpr std::chrono::seconds kPatience{5};
constexpr std::uint64_t kMaxLifeSeconds = 86'400;

std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<std::uint64_t> NumberAt(const json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) return {};
  if (it->is_number_unsigned()) return it->get<std::uint64_t>();
  if (it->is_string()) return ParseUint(it->get<std::string>());
  return {};
}

// Seconds from now on.
std::optional<std::uint64_t> LifeIn(const json& body, UnixTime now) {
  if (const auto life = NumberAt(body, "expires_in")) return life;
  const auto end = NumberAt(body, "expires_on");
  const auto today = static_cast<std::uint64_t>(ToUnixMillis(now) / 1000);
  if (!end || *end < today) return {};
  return *end - today;
}

}  // namespace

bool IsPassing(const Result<HttpAnswer>& answer) {
  if (!answer.ok()) {
    return answer.status().code() == Code::kUnavailable ||
           answer.status().code() == Code::kDeadlineExceeded;
  }
  // 410: Azure's, while it is renewed.
  return answer->status == 408 || answer->status == 410 ||
         answer->status == 429 || answer->status >= 500;
}

Result<HttpAnswer> AskPatiently(Transport& transport, const Clock& clock,
                                const HttpRequest& request,
                                const std::stop_token& stop, int also_passing) {
  const TransferOptions options{.stop = stop,
                                .max_body_bytes = kMaxAnswerBytes};
  const MonotonicTime began = clock.Monotonic();
  auto answer = transport.Perform(request, options);
  const auto is_passing = [&] {
    return IsPassing(answer) || (answer.ok() && answer->status == also_passing);
  };
  for (int i = 1;
       i < kAttempts && is_passing() && clock.Monotonic() - began < kPatience;
       ++i) {
    if (!WaitUnlessStopped(kPause * i, stop)) return Cancelled("stopped");
    answer = transport.Perform(request, options);
  }
  return answer;
}

HttpRequest RequestOf(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t slash = url.find('/', scheme == url.npos ? 0 : scheme + 3);
  if (slash == url.npos) return {.origin = std::string(url)};
  return {.origin = std::string(url.substr(0, slash)),
          .path = std::string(url.substr(slash))};
}

HttpRequest FormRequest(std::string_view url, const Blob& body) {
  HttpRequest request = RequestOf(url);
  request.method = "POST";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = &body;
  request.body_bytes = body.bytes();
  return request;
}

Result<BearerToken> TokenOf(const HttpAnswer& answer, std::string_view what,
                            UnixTime now) {
  const json body = json::parse(answer.body, nullptr, false);
  if (answer.status != 200) {
    std::string why = body.is_object() ? TextAt(body, "error_description") : "";
    // Further lines have the request's id and time.
    why.resize(
        std::min({why.size(), why.find_first_of("\r\n"), kMaxShownBytes}));
    return Unauthenticated(StrCat(what, " answers HTTP ", answer.status,
                                  why.empty() ? "" : ": ", ToValidUtf8(why)));
  }
  BearerToken token{.value =
                        body.is_object() ? TextAt(body, "access_token") : ""};
  constexpr std::uint64_t kNone = kMaxLifeSeconds + 1;
  const std::uint64_t life =
      body.is_object() ? LifeIn(body, now).value_or(kNone) : kNone;
  // It becomes a header's value.
  const bool is_clean = token.value.find_first_of(
                            std::string_view("\r\n\0", 3)) == std::string::npos;
  if (token.value.empty() || !is_clean || life > kMaxLifeSeconds)
    return Unauthenticated(StrCat(what, " gives no token"));
  token.expires = now + std::chrono::seconds(life);
  return token;
}

}  // namespace fodc::object_store
