// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/aws_files.h"

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

bool IsComment(std::string_view line) {
  return line.empty() || line[0] == '#' || line[0] == ';';
}

// Behind a blank only: keys may have a '#' in them.
std::string_view WithoutComment(std::string_view value) {
  for (std::size_t i = 1; i < value.size(); ++i) {
    if ((value[i] == '#' || value[i] == ';') &&
        (value[i - 1] == ' ' || value[i - 1] == '\t')) {
      return Trim(value.substr(0, i));
    }
  }
  return value;
}

}  // namespace

Result<AwsProfiles> ReadAwsProfiles(std::string_view text,
                                    std::string_view path) {
  AwsProfiles profiles;
  AwsProfile* profile = nullptr;
  int number = 0;
  const auto bad = [&](std::string_view why) {
    return InvalidArgument(StrCat(path, ": line ", number, " ", why));
  };
  for (const std::string_view whole : Split(text, '\n')) {
    ++number;
    const std::string_view line = Trim(whole);
    if (IsComment(line)) continue;
    if (line.front() == '[') {
      const std::size_t end = line.find(']');
      if (end == line.npos) return bad("has a '[' without a ']'");
      std::string_view name = Trim(line.substr(1, end - 1));
      if (ConsumePrefix(&name, "profile ")) name = Trim(name);
      const bool is_other = name.starts_with("sso-session ") ||
                            name.starts_with("services ") ||
                            name.starts_with("plugins");
      profile = is_other ? nullptr : &profiles[std::string(name)];
      continue;
    }
    if (whole.front() == ' ' || whole.front() == '\t') continue;
    const std::size_t mark = line.find('=');
    if (mark == line.npos) return bad("is neither a section nor NAME = VALUE");
    if (profile == nullptr) continue;
    (*profile)[ToLower(Trim(line.substr(0, mark)))] =
        WithoutComment(Trim(line.substr(mark + 1)));
  }
  return profiles;
}

}  // namespace fodc::object_store
