// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/own_page.h"

#include "fodc/exposition/identity.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::program {

std::string OwnPage(const std::vector<OwnFamily>& families,
                    exposition::Format format) {
  const bool is_openmetrics = format == exposition::Format::kOpenMetrics;
  std::string page;
  for (const OwnFamily& family : families) {
    std::string_view headed;
    for (const OwnSample& sample : family.samples) {
      const exposition::ShownFamily shown =
          is_openmetrics
              ? exposition::FamilyInOpenMetrics(sample.name, family.name,
                                                family.type)
              : exposition::FamilyInText(sample.name, family.name, family.type);
      if (shown.name != headed) {
        headed = shown.name;
        AppendFamilyHead(&page, format,
                         {.name = shown.name,
                          .type = shown.type,
                          .help = family.help,
                          .unit = {}});
      }
      page += sample.name;
      char before = '{';
      for (const auto& [name, value] : sample.labels) {
        page.push_back(before);
        before = ',';
        page.append(name).append("=\"");
        exposition::AppendEscapedLabelValue(&page, value);
        page.push_back('"');
      }
      if (!sample.labels.empty()) page.push_back('}');
      page.push_back(' ');
      exposition::AppendNumber(&page, sample.value);
      page.push_back('\n');
    }
  }
  if (is_openmetrics) page += "# EOF\n";
  return page;
}

}  // namespace fodc::program
