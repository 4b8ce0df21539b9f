// SPDX-License-Identifier: Apache-2.0
// Any sequence of pages: following them gives what fresh reads give, with wide
// instructions and without; what was read, written and read again has the same
// values. The input is a format byte and pages separated by the byte 0x01.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::exposition {
namespace {

void Fail(std::string_view what, std::string_view page) {
  std::fprintf(stderr, "%.*s\npage:\n%.*s\n", static_cast<int>(what.size()),
               what.data(), static_cast<int>(page.size()), page.data());
  std::abort();
}

std::string SeriesKey(PageReader* reader, std::uint32_t line) {
  const SeriesDesc d = reader->Describe(line);
  std::string out(d.name);
  out += '{';
  AppendCanonicalLabels(&out, d.labels);
  out += '}';
  return out;
}

// Everything that the page says, with the room's own pieces.
std::string Rewrite(PageReader* reader, Format to) {
  std::string heads;
  std::string samples;
  std::set<std::string> families;
  for (std::uint32_t i = 0; i < reader->values().size(); ++i) {
    samples += SeriesKey(reader, i);
    samples += ' ';
    AppendNumber(&samples, reader->values()[i]);
    samples += '\n';
    const SeriesDesc d = reader->Describe(i);
    const ShownFamily family =
        to == Format::kText ? FamilyInText(d.name, d.family, d.type)
                            : FamilyInOpenMetrics(d.name, d.family, d.type);
    if (families.insert(std::string(family.name)).second) {
      AppendFamilyHead(&heads, to,
                       {.name = family.name,
                        .type = family.type,
                        .help = d.help,
                        .unit = d.unit});
    }
  }
  return heads + samples + (to == Format::kOpenMetrics ? "# EOF\n" : "");
}

void CheckRoundTrip(PageReader* reader, Format to, std::string_view page) {
  std::map<std::string, double> expected;
  for (std::uint32_t i = 0; i < reader->values().size(); ++i) {
    expected[SeriesKey(reader, i)] = reader->values()[i];
  }
  const std::string text = Rewrite(reader, to);
  PageReader again;
  PageBuffer buffer;
  if (!buffer.Append(text).ok()) return;
  again.Read(to, &buffer);
  // Escapes may make a line longer than a reader takes.
  if (again.stats().problem(LineProblem::kLineTooLong) != 0) return;
  if (again.stats().lost_lines() != 0 || again.stats().is_truncated) {
    Fail(StrCat("written page has bad lines:\n", text), page);
  }
  if (again.values().size() != expected.size()) {
    Fail(StrCat("series lost:\n", text), page);
  }
  for (std::uint32_t i = 0; i < again.values().size(); ++i) {
    const auto at = expected.find(SeriesKey(&again, i));
    if (at == expected.end() ||
        std::memcmp(&at->second, &again.values()[i], sizeof(double)) != 0) {
      Fail(StrCat("series changed:\n", text), page);
    }
  }
}

}  // namespace
}  // namespace fodc::exposition

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::exposition;  // NOLINT: the entry point has no namespace
  if (size == 0) return 0;
  const Format from = (data[0] & 1) != 0 ? Format::kOpenMetrics : Format::kText;
  const Format to = (data[0] & 2) != 0 ? Format::kOpenMetrics : Format::kText;
  FollowChecker checker((data[0] & 4) != 0);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  for (const std::string_view page : fodc::Split(input, '\x01')) {
    const std::string difference = checker.Check(from, page);
    if (!difference.empty()) Fail(difference, page);
    const std::string of_lines =
        CompareWithParseLine(page, from, (data[0] & 4) != 0);
    if (!of_lines.empty()) Fail(of_lines, page);
    CheckRoundTrip(&checker.reader(), to, page);
  }
  return 0;
}
