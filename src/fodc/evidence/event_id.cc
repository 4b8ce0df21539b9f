// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_id.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::evidence {
namespace {

// Where the digits of an id stand in RFC 3339's form, with its marks between.
constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

std::string Quoted(std::string_view name) {
  std::string quoted;
  AppendJsonString(&quoted, name.substr(0, 64));
  return quoted + (name.size() > 64 ? " (cut)" : "");
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string MakeEventId(UnixTime t) {
  std::string id = FormatRfc3339(t, 9);
  std::erase_if(id, [](char c) { return c == '-' || c == ':'; });
  return id;
}

Result<UnixTime> ParseEventId(std::string_view id) {
  std::string text;
  std::string_view rest = id;
  for (const char c : kForm) {
    if (c == '-' || c == ':') {
      text += c;
      continue;
    }
    if (rest.empty()) break;
    text += rest.front();
    rest.remove_prefix(1);
  }
  Result<UnixTime> t = ParseRfc3339(text);
  // Made again, because RFC 3339 has more than one form of a time.
  if (!rest.empty() || !t.ok() || MakeEventId(*t) != id)
    return InvalidArgument(Quoted(id) + " is no event's id");
  return t;
}

Status CheckArtifactName(std::string_view name) {
  if (name.empty() || name.size() > kMaxArtifactNameBytes ||
      name.front() == '.' || !std::all_of(name.begin(), name.end(), IsNameByte))
    return InvalidArgument(Quoted(name) + " is no artifact's name");
  if (name.starts_with("meta.json") || name == "MANIFEST.sha256")
    return InvalidArgument(Quoted(name) + " is the store's own file");
  return OkStatus();
}

}  // namespace fodc::evidence
