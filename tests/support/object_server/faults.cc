// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/faults.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::object_server {
namespace {

constexpr std::array<std::pair<std::string_view, FaultAction>, 13> kActions = {{
    {"status", FaultAction::kStatus},
    {"reset_before", FaultAction::kResetBefore},
    {"reset_after", FaultAction::kResetAfter},
    {"short_body", FaultAction::kShortBody},
    {"slow_body", FaultAction::kSlowBody},
    {"error_in_200", FaultAction::kErrorIn200},
    {"corrupt", FaultAction::kCorrupt},
    {"expired_token", FaultAction::kExpiredToken},
    {"region_redirect", FaultAction::kRegionRedirect},
    {"repeat_page", FaultAction::kRepeatPage},
    {"endless_list", FaultAction::kEndlessList},
    {"part_status", FaultAction::kPartStatus},
    {"full", FaultAction::kFull},
}};

Status SetText(const std::string& name, const std::string& text,
               FaultRule* rule) {
  if (name == "operation") {
    rule->operation = OperationOf(text);
    if (!rule->operation && text != "any") {
      return InvalidArgument(StrCat("no operation is called ", text));
    }
  } else if (name == "action") {
    for (const auto& [action_name, action] : kActions) {
      if (action_name != text) continue;
      rule->action = action;
      return Status();
    }
    return InvalidArgument(StrCat("no action is called ", text));
  } else if (name == "key") {
    rule->key = text;
  } else if (name == "code") {
    rule->code = text;
  } else if (name == "region") {
    rule->region = text;
  } else {
    return InvalidArgument(StrCat("a fault has no text ", name));
  }
  return Status();
}

Status SetNumber(const std::string& name, std::uint64_t n, FaultRule* rule) {
  if (name == "every" && n > 0) {
    rule->every = n;
  } else if (name == "first" && n > 0) {
    rule->first = n;
  } else if (name == "count") {
    rule->count = n;
  } else if (name == "status" && n >= 100 && n < 600) {
    rule->status = static_cast<int>(n);
  } else if (name == "retry_after") {
    rule->retry_after_seconds = n;
  } else if (name == "bytes_per_second" && n > 0) {
    rule->bytes_per_second = n;
  } else {
    return InvalidArgument(StrCat("a fault has no number ", name, " of ", n));
  }
  return Status();
}

}  // namespace

Result<std::vector<FaultRule>> ParseFaults(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_array()) return InvalidArgument("not a JSON array");
  std::vector<FaultRule> rules;
  for (const auto& item : document) {
    if (!item.is_object()) return InvalidArgument("a fault is no object");
    FaultRule rule;
    for (const auto& [name, value] : item.items()) {
      if (value.is_string()) {
        FODC_RETURN_IF_ERROR(
            SetText(name, value.get_ref<const std::string&>(), &rule));
      } else if (value.is_number_unsigned()) {
        FODC_RETURN_IF_ERROR(
            SetNumber(name, value.get<std::uint64_t>(), &rule));
      } else {
        return InvalidArgument(StrCat(name, ": no text and no whole number"));
      }
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::string FaultsAsJson(const std::vector<FaultRule>& rules) {
  auto out = nlohmann::json::array();
  for (const FaultRule& r : rules) {
    out.push_back(
        {{"operation", r.operation ? OperationName(*r.operation) : "any"},
         {"action", kActions[static_cast<std::size_t>(r.action)].first},
         {"key", r.key},
         {"seen", r.seen},
         {"fired", r.fired}});
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

const FaultRule* MatchFault(std::vector<FaultRule>* rules, Operation operation,
                            std::string_view key) {
  for (FaultRule& r : *rules) {
    if (r.operation && *r.operation != operation) continue;
    if (!r.key.empty() && key.find(r.key) == std::string_view::npos) continue;
    ++r.seen;
    if (r.seen < r.first || (r.seen - r.first) % r.every != 0) continue;
    if (r.count && r.fired >= *r.count) continue;
    ++r.fired;
    return &r;
  }
  return nullptr;
}

std::optional<Response> FaultAnswer(const FaultRule& rule, const Call& call,
                                    Service* service) {
  constexpr std::string_view kMessage = "as a test wanted it";
  const std::string code(rule.code.empty() ? service->CodeOf(rule.status)
                                           : std::string_view(rule.code));
  std::optional<Response> answer;
  switch (rule.action) {
    case FaultAction::kStatus:
      answer = service->Refuse(call, rule.status, code, kMessage);
      break;
    case FaultAction::kErrorIn200:
      answer = service->Refuse(
          call, 200, rule.code.empty() ? "InternalError" : rule.code, kMessage);
      break;
    case FaultAction::kExpiredToken:
      answer = service->ExpiredToken(call);
      break;
    case FaultAction::kRegionRedirect:
      answer = service->OtherRegion(call, rule.region);
      break;
    case FaultAction::kFull:
      answer = service->Full(call);
      break;
    default:
      return std::nullopt;
  }
  if (rule.retry_after_seconds) {
    answer->Add("Retry-After", std::to_string(*rule.retry_after_seconds));
  }
  return answer;
}

}  // namespace fodc::object_server
