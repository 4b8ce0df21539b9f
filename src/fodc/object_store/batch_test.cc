// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(WriteBatchTest, IsAsTheDocumentationHasIt) {
  const std::string_view type = BatchContentType();
  const std::string boundary(type.substr(type.find('=') + 1));
  EXPECT_EQ(WriteBatch({{.method = "DELETE",
                         .path = "/c/a%20b",
                         .query = {{"sig", "a+b"}},
                         .headers = {{"x-ms-date", "now"}}},
                        {.method = "DELETE", .path = "/c/d"}},
                       "<fodc+", ">"),
            StrCat("--", boundary,
                   "\r\nContent-Type: application/http\r\n"
                   "Content-Transfer-Encoding: binary\r\n"
                   "Content-ID: <fodc+0>\r\n\r\n"
                   "DELETE /c/a%20b?sig=a%2Bb HTTP/1.1\r\nx-ms-date: now\r\n"
                   "Content-Length: 0\r\n\r\n--",
                   boundary,
                   "\r\nContent-Type: application/http\r\n"
                   "Content-Transfer-Encoding: binary\r\n"
                   "Content-ID: <fodc+1>\r\n\r\n"
                   "DELETE /c/d HTTP/1.1\r\nContent-Length: 0\r\n\r\n--",
                   boundary, "--\r\n"));
}

constexpr char kAnswers[] =
    "preamble\r\n--b\r\nContent-Type: application/http\r\n"
    "Content-ID: <response-fodc+1>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    "--b\r\ncontent-id: 0\r\n\r\nHTTP/1.1 404 Not there: --b\r\n"
    "x-ms-error-code: BlobNotFound\r\nContent-Length: 8\r\n\r\n<a>--b</\r\n"
    "--b--\r\nepilogue";

TEST(ReadBatchTest, GivesEachRequestItsAnswer) {
  for (const char* type : {"multipart/mixed; boundary=b",
                           "Multipart/Mixed;charset=x;Boundary=\"b\""}) {
    const auto answers = ReadBatch(type, kAnswers, 3);
    ASSERT_THAT(answers, IsOk());
    ASSERT_THAT(*answers, SizeIs(3));
    EXPECT_EQ((*answers)[1].status, 204);
    EXPECT_EQ((*answers)[0].status, 404);
    EXPECT_EQ((*answers)[0].headers[0].second, "BlobNotFound");
    EXPECT_EQ((*answers)[0].body, "<a>--b</");
    EXPECT_EQ((*answers)[2].status, 0);
  }
}

TEST(ReadBatchTest, TakesNothingThatIsNoSuchBody) {
  const std::string type = "multipart/mixed; boundary=b";
  for (const char* other :
       {"", "text/plain", "multipart/mixed", "multipart/mixed; boundary=",
        "multipart/related; boundary=b", "multipart/mixed; boundary=c"}) {
    EXPECT_THAT(ReadBatch(other, kAnswers, 2), StatusIs(Code::kDataLoss, _))
        << other;
  }
  const std::string head = "--b\r\nContent-ID: 0\r\n\r\n";
  const std::vector<std::string> bad = {
      "",
      "--b\r\n",
      head + "HTTP/1.1 204 \r\n\r\n",            // cut off
      head + "HTTP/1.1 99\r\n\r\n--b--",         // no status
      head + "HTTP/2 204 X\r\n\r\n--b--",        // of another version
      head + "\r\n--b--",                        // no answer
      "--b\r\n\r\nHTTP/1.1 204 X\r\n\r\n--b--",  // whose?
      "--b\r\nContent-ID: 2\r\n\r\nHTTP/1.1 204 X\r\n\r\n--b--",
      head + "HTTP/1.1 204 X\r\n\r\n" + head +
          "HTTP/1.1 204 X\r\n\r\n--b--"};  // twice
  for (const std::string& body : bad) {
    EXPECT_THAT(ReadBatch(type, body, 2), StatusIs(Code::kDataLoss, _)) << body;
  }
  EXPECT_THAT(ReadBatch(type, "--b--", 1), IsOk());
}

}  // namespace
}  // namespace fodc::object_store
