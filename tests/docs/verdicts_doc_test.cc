// SPDX-License-Identifier: Apache-2.0
// The tables of docs/concept/verdicts.md against the detector.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/detect/facts.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"
#include "fodc/detect/verdict.h"
#include "tests/support/paths.h"

namespace fodc::detect {
namespace {

using testing::ContainerEq;
using testing::HasSubstr;
using Table = std::map<std::string, std::string>;

std::string Doc() {
  const auto text = ReadFile(test::SourcePath("docs/concept/verdicts.md"));
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *text : "";
}

// What stands under `## <title>`.
std::string Section(const std::string& title) {
  const std::string doc = Doc();
  const std::size_t from = doc.find(StrCat("\n## ", title, "\n"));
  EXPECT_NE(from, std::string::npos) << title;
  return doc.substr(from + 1, doc.find("\n## ", from + 1) - from);
}

// Of the rows that begin with code: first cell to second, without backquotes.
Table Rows(const std::string& section) {
  Table rows;
  for (const std::string_view line : Split(section, '\n')) {
    if (!line.starts_with("| `")) continue;
    const auto cells = Split(line, '|');
    std::string first(Trim(cells.at(1)));
    std::string second(Trim(cells.at(2)));
    std::erase(first, '`');
    std::erase(second, '`');
    EXPECT_TRUE(rows.emplace(first, second).second) << first;
  }
  return rows;
}

TEST(VerdictsDocTest, BoundsAndTheirDefaults) {
  Table bounds;
  for (const Bound& b : AllBounds())
    bounds.emplace(b.name, BoundText(b, Options().*b.field));
  EXPECT_THAT(Rows(Section("Bounds")), ContainerEq(bounds));
}

TEST(VerdictsDocTest, NumbersAndWhoTellsThem) {
  const Table rows = Rows(Section("Numbers"));
  EXPECT_EQ(rows.size(), kFacts);
  for (const FactDesc& d : AllFacts()) {
    EXPECT_TRUE(rows.contains(std::string(d.name))) << d.name;
  }
  for (const FactSeries& f : AllFactSeries()) {
    const std::string name(Describe(f.fact).name);
    if (rows.at(name).starts_with("likewise")) continue;
    EXPECT_THAT(rows.at(name), HasSubstr(f.family));
  }
}

TEST(VerdictsDocTest, Signals) {
  Table signals;
  for (const SignalDesc& d : AllSignals())
    signals.emplace(d.name, d.reading == Reading::kRate ? "counter" : "gauge");
  EXPECT_THAT(Rows(Section("Signals")), ContainerEq(signals));
}

TEST(VerdictsDocTest, EveryKindOfIncidentIsInBothTables) {
  for (const char* title : {"At three in the morning", "The table"}) {
    const std::string section = Section(title);
    for (const VerdictCause& k : AllIncidentKinds()) {
      EXPECT_THAT(section, HasSubstr(StrCat("| ", VerdictName(k.verdict))));
      EXPECT_THAT(section, HasSubstr(k.cause.empty()
                                         ? std::string(VerdictName(k.verdict))
                                         : StrCat("`", k.cause, "`")))
          << title;
    }
  }
}

}  // namespace
}  // namespace fodc::detect
