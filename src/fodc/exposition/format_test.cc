// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/format.h"

#include <gmock/gmock.h>

#include <vector>

#include "fodc/exposition/metric.h"

namespace fodc::exposition {
namespace {

using ::testing::Optional;

TEST(FormatTest, KnowsTheContentTypesOfBothFormats) {
  for (const char* text :
       {"", "text/plain", "text/plain; version=0.0.4", "TEXT/PLAIN ;q=1",
        "text/plain; version=0.0.4; charset=utf-8; escaping=values"}) {
    EXPECT_THAT(FormatOfContentType(text), Optional(Format::kText)) << text;
  }
  EXPECT_THAT(FormatOfContentType(
                  "application/openmetrics-text; version=1.0.0; charset=utf-8"),
              Optional(Format::kOpenMetrics));
  for (const char* other :
       {"text/html", "application/json", "application/vnd.google.protobuf",
        "text/plainer"}) {
    EXPECT_EQ(FormatOfContentType(other), std::nullopt) << other;
  }
  for (const Format format : {Format::kText, Format::kOpenMetrics}) {
    EXPECT_THAT(FormatOfContentType(ContentType(format)), Optional(format));
  }
}

TEST(FormatTest, AnswersWhatIsAskedFor) {
  EXPECT_EQ(NegotiateFormat(""), Format::kText);
  EXPECT_EQ(NegotiateFormat("*/*"), Format::kText);
  EXPECT_EQ(NegotiateFormat("application/openmetrics-text;version=1.0.0;"
                            "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::kOpenMetrics);
  EXPECT_EQ(NegotiateFormat("application/openmetrics-text;q=0.1,text/plain"),
            Format::kText);
  EXPECT_EQ(NegotiateFormat("application/openmetrics-text;q=0"), Format::kText);
}

TEST(CanonicalLabelsTest, AreToldFromOtherText) {
  for (const std::string_view good :
       {"", "a=\"\"", "a=\"b\",c=\"d\"", "_9=\"\\\\ \\\" \\n }{,\"",
        "a=\"\xc3\xa4\""}) {
    EXPECT_TRUE(IsCanonicalLabels(good)) << good;
  }
  for (const std::string_view bad : {"a",
                                     "a=",
                                     "a=\"",
                                     "a=\"b",
                                     "a=b",
                                     "=\"\"",
                                     "9=\"\"",
                                     "a:b=\"\"",
                                     "a=\"\",",
                                     "a=\"\"b=\"\"",
                                     "b=\"\",a=\"\"",
                                     "a=\"\",a=\"\"",
                                     "a=\"\n\"",
                                     "a=\"\\x\"",
                                     "a=\"\\\"",
                                     "a=\"\xff\"",
                                     " a=\"\"",
                                     "a=\"\", b=\"\"",
                                     "a=\"\"} 1",
                                     "__name__=\"x\""}) {
    EXPECT_FALSE(IsCanonicalLabels(bad)) << bad;
  }
  EXPECT_TRUE(IsUnit(""));
  EXPECT_FALSE(IsUnit("\xc3\xa4"));
}

TEST(CanonicalLabelsTest, AreTheSameForTheSameSet) {
  const std::vector<Label> one = {{"b", "2"}, {"a", "q\"\\\n"}};
  const std::vector<Label> two = {{"a", "q\"\\\n"}, {"b", "2"}};
  std::string text_one;
  std::string text_two;
  AppendCanonicalLabels(&text_one, one);
  AppendCanonicalLabels(&text_two, two);
  EXPECT_EQ(text_one, "a=\"q\\\"\\\\\\n\",b=\"2\"");
  EXPECT_EQ(text_one, text_two);
  std::string none;
  AppendCanonicalLabels(&none, {});
  EXPECT_EQ(none, "");
}

}  // namespace
}  // namespace fodc::exposition
