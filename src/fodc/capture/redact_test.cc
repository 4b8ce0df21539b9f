// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc::capture {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Line(std::string_view line) { return RedactText(line); }

TEST(RedactTest, ConfigurationLosesTheWholeValue) {
  EXPECT_EQ(Line("password: two words # why"), "password: [redacted]");
  EXPECT_EQ(Line("  db.password = a b c"), "  db.password = [redacted]");
  EXPECT_EQ(Line("export API_KEY=x;y"), "export API_KEY=[redacted]");
  EXPECT_EQ(Line("user: bob"), "user: bob");
  EXPECT_EQ(Line("password: \"a \\\" b\" # c"), "password: \"[redacted]\" # c");
  EXPECT_EQ(Line("secret => 'x'"), "secret => '[redacted]'");
  EXPECT_EQ(Line("Authorization: Basic dXNlcjpwYXNz"),
            "Authorization: [redacted]");
  EXPECT_EQ(Line("Cookie: a=b; c=d"), "Cookie: [redacted]");
}

TEST(RedactTest, ValuesThatAreNoneStay) {
  for (const char* line : {"password:\n", "password: \"\"", "token = none",
                           "x token=false,", "secret: null", "secret: ~"}) {
    EXPECT_EQ(Line(line), line);
  }
}

TEST(RedactTest, WithinALineOnlyTheValueGoes) {
  EXPECT_EQ(Line("t=1 user=bob password=abc,x=2"),
            "t=1 user=bob password=[redacted],x=2");
  EXPECT_EQ(Line("GET /x?token=abc&n=1 200"),
            "GET /x?token=[redacted]&n=1 200");
  EXPECT_EQ(Line("{\"password\":\"a,b\",\"n\":1}"),
            "{\"password\":\"[redacted]\",\"n\":1}");
  EXPECT_EQ(Line("{\"pin\":1,\"secret\": 123, \"n\":1}"),
            "{\"pin\":1,\"secret\": [redacted], \"n\":1}");
  EXPECT_EQ(Line("{\"tokens\":[\"a]\",[\"b\"]],\"n\":1}"),
            "{\"tokens\":[redacted],\"n\":1}");
  EXPECT_EQ(Line("sent Bearer abcdefgh1234 to x"),
            "sent Bearer [redacted] to x");
  EXPECT_EQ(Line("basic idea"), "basic idea");
}

TEST(RedactTest, PasswordsOfUrlsGo) {
  EXPECT_EQ(Line("dsn=postgres://bob:p%40ss@db:5432/x?y=1"),
            "dsn=postgres://bob:[redacted]@db:5432/x?y=1");
  EXPECT_EQ(Line("https://0123456789abcdef@host/"), "https://[redacted]@host/");
  EXPECT_EQ(Line("https://bob@host/a:b@c"), "https://bob@host/a:b@c");
  EXPECT_EQ(Line("http://host:80/x"), "http://host:80/x");
  EXPECT_EQ(Line("dsn: root:p/w@tcp(db:3306)/x"),
            "dsn: root:[redacted]@tcp(db:3306)/x");
  EXPECT_EQ(Line("root:@tcp(db)/x 12:30 a@b"), "root:@tcp(db)/x 12:30 a@b");
}

TEST(RedactTest, KnownTokensGoWhereverTheyStand) {
  EXPECT_EQ(Line("got AKIAIOSFODNN7EXAMPLE!"), "got [redacted]!");
  EXPECT_EQ(Line("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_ y"),
            "x [redacted] y");
  EXPECT_EQ(Line("ghp_0123456789abcdefghij"), "[redacted]");
  EXPECT_EQ(Line("eyJ AKIA ghp_short"), "eyJ AKIA ghp_short");
}

TEST(RedactTest, PrivateKeysGoToTheirEnd) {
  EXPECT_EQ(RedactText("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nxyz\n"
                       "-----END RSA PRIVATE KEY-----\nb\n"),
            "a\n-----BEGIN RSA PRIVATE KEY-----\n[redacted]\n[redacted]\n"
            "[redacted]-----END RSA PRIVATE KEY-----\nb\n");
  EXPECT_EQ(Line("k=\"-----BEGIN PRIVATE KEY-----\\nMII\\n"
                 "-----END PRIVATE KEY-----\""),
            "k=\"-----BEGIN PRIVATE KEY-----[redacted]"
            "-----END PRIVATE KEY-----\"");
  // A certificate is public.
  EXPECT_EQ(RedactText("-----BEGIN CERTIFICATE-----\nMIIE\n"),
            "-----BEGIN CERTIFICATE-----\nMIIE\n");
}

TEST(RedactTest, ValuesOverSeveralLinesGo) {
  EXPECT_EQ(RedactText("a:\n  password: |\n    one\n\n    two\n  b: 1\n"),
            "a:\n  password: |\n    [redacted]\n\n    [redacted]\n  b: 1\n");
  EXPECT_EQ(RedactText("tokens:\n- one\n- two\nnext: 1\n"),
            "tokens:\n[redacted]\n[redacted]\nnext: 1\n");
  EXPECT_EQ(RedactText("credentials:\n  user: x\n  key: y\nnext: 1\n"),
            "credentials:\n  [redacted]\n  [redacted]\nnext: 1\n");
  EXPECT_EQ(RedactText("{\n  \"tokens\": [\n    \"a\"\n  ],\n  \"n\": 1\n}\n"),
            "{\n  \"tokens\": [redacted]\n    [redacted]\n  ],\n  \"n\": 1\n"
            "}\n");
}

TEST(RedactTest, JsonWithinJsonLosesItsSecretsToo) {
  // A line of a container's log.
  EXPECT_EQ(Line(R"({"log":"{\"password\":\"hunter2\",\"n\":1}\n","t":1})"),
            R"({"log":"{\"password\":\"[redacted]\",\"n\":1}\n","t":1})");
  EXPECT_EQ(Line(R"({"log":"{\"token\": \"a\\\"b\"}"})"),
            R"({"log":"{\"token\": \"[redacted]\"}"})");
  EXPECT_EQ(Line(R"({"log":"{\"token\":\"cut of)"),
            R"({"log":"{\"token\":\"[redacted])");
}

TEST(RedactTest, AValueBesideASecretNameGoes) {
  EXPECT_EQ(RedactText("- name: DB_PASSWORD\n  value: x\n"
                       "- name: PORT\n  value: 1\n"),
            "- name: DB_PASSWORD\n  value: [redacted]\n"
            "- name: PORT\n  value: 1\n");
  EXPECT_EQ(
      Line(R"([{"name":"DB_PASS","value":"x"},{"name":"A","value":"y"}])"),
      R"([{"name":"DB_PASS","value":"[redacted]"},)"
      R"({"name":"A","value":"y"}])");
  EXPECT_EQ(RedactText("name: TOKEN\na: 1\nb: 2\nc: 3\nvalue: 4\n"),
            "name: TOKEN\na: 1\nb: 2\nc: 3\nvalue: 4\n");
}

TEST(RedactTest, ElementsOfXmlLoseTheirText) {
  EXPECT_EQ(Line("<a><password>x y</password><n>1</n></a>"),
            "<a><password>[redacted]</password><n>1</n></a>");
  EXPECT_EQ(Line("<secret-key id='1'>x</secret-key>"),
            "<secret-key id='1'>[redacted]</secret-key>");
  EXPECT_EQ(Line("<password value='x'/> <n/>"),
            "<password value='[redacted]'/> <n/>");
  EXPECT_EQ(RedactText("  <password>\n    x\n  </password>\n"),
            "  <password>\n    [redacted]\n  </password>\n");
  EXPECT_EQ(Line("<password"), "<password");
}

TEST(RedactTest, ANameAndOneWordIsANameAndItsValue) {
  EXPECT_EQ(Line("requirepass hunter2"), "requirepass [redacted]");
  EXPECT_EQ(Line("  auth_token \"x\";"), "  auth_token [redacted]");
  EXPECT_EQ(Line("password changed for bob"), "password changed for bob");
  EXPECT_EQ(Line("the password x"), "the password x");
}

TEST(RedactTest, GroupsOfKeysAreLookedAtOneByOne) {
  EXPECT_EQ(RedactText("basic_auth:\n  username: bob\n  password: x\n"),
            "basic_auth:\n  username: bob\n  password: [redacted]\n");
  EXPECT_EQ(
      RedactText("\"auth\": {\n  \"user\": \"bob\",\n  \"pw\": \"x\"\n}\n"),
      "\"auth\": {\n  \"user\": \"bob\",\n  \"pw\": \"[redacted]\"\n}\n");
  EXPECT_EQ(Line("auth: hunter2"), "auth: [redacted]");
}

TEST(RedactTest, HostileLinesCostNoMoreThanLongOnes) {
  for (const std::string_view piece :
       {"<password", "a:", "name:\"", "auth:{", "://", "\\\"token\\\":"}) {
    std::string line;
    while (line.size() < (1U << 20)) line += piece;
    EXPECT_FALSE(Line(line).empty()) << piece;
  }
}

TEST(RedactTest, TellsHowMuchItTook) {
  Redactor redactor;
  std::string out;
  redactor.AppendLine("password=a token=b", &out);
  // The first key of a line takes all of it.
  EXPECT_EQ(out, "password=[redacted]");
  redactor.AppendLine("x password=a token=b", &out);
  EXPECT_EQ(redactor.redacted(), 3u);
}

TEST(RedactArgumentsTest, OneALineAndTheValueAfterASecretFlagGoes) {
  using std::string_literals::operator""s;
  EXPECT_EQ(RedactArguments("db\0--password\0x y\0--port\0"
                            "1\0"
                            "--token=abc\0--secret\0--n\0"s),
            "db\n--password\n[redacted]\n--port\n1\n--token=[redacted]\n"
            "--secret\n--n\n");
  EXPECT_EQ(RedactArguments("--requirepass\0x\0--db-pass\0y\0"
                            "--minio-secret-key\0z"s),
            "--requirepass\n[redacted]\n--db-pass\n[redacted]\n"
            "--minio-secret-key\n[redacted]\n");
  EXPECT_EQ(RedactArguments("--password\0-x\0-v\0--secret\0--v"s),
            "--password\n[redacted]\n-v\n--secret\n--v\n");
  EXPECT_EQ(RedactArguments(""), "");
}

TEST(RedactEnvironmentTest, OneALine) {
  using std::string_literals::operator""s;
  const std::string out = RedactEnvironment(
      "PWD=/tmp\0DB_PASSWORD=a=b c\0X=1\n2\0KEY=-----BEGIN PRIVATE KEY-----\n"
      "MII\n-----END PRIVATE KEY-----\0LAST=1"s);
  EXPECT_EQ(out,
            "PWD=/tmp\nDB_PASSWORD=[redacted]\nX=1\\n2\n"
            "KEY=-----BEGIN PRIVATE KEY-----[redacted]"
            "-----END PRIVATE KEY-----\nLAST=1\n");
  EXPECT_THAT(out, Not(HasSubstr("MII")));
}

TEST(RedactTest, PasswordsOfConnectionStringsArgumentsAndStatements) {
  for (const auto& [text, expected] :
       {std::pair{"Server=a;pwd=AAA1;x", "Server=a;pwd=[redacted];x"},
        {"{\"pwd\":\"s32\"}", "{\"pwd\":\"[redacted]\"}"},
        {"connection: \"host=x user=y pwd=zzz\"",
         "connection: \"host=x user=y pwd=[redacted]\""},
        {"DBPASS=s3", "DBPASS=[redacted]"},
        {"start node --password s1 --port 1",
         "start node --password [redacted] --port 1"},
        {"args [\"--password\",\"s13\",\"-v\"]",
         "args [\"--password\",\"[redacted]\",\"-v\"]"},
        {"the password -> s16", "the password -> [redacted]"},
        {"user x password\ts21", "user x password\t[redacted]"},
        {"ALTER ROLE x WITH PASSWORD 's24';",
         "ALTER ROLE x WITH PASSWORD '[redacted]';"},
        {"SET PASSWORD FOR 'u'@'h' = 's22'",
         "SET PASSWORD FOR 'u'@'h' = '[redacted]'"}}) {
    EXPECT_EQ(RedactText(text), expected);
  }
  // What only speaks of them stays.
  for (const char* text :
       {"the password was wrong", "no password for user x", "bypass=1",
        "--password-file /etc/x", "password: true"}) {
    EXPECT_EQ(RedactText(text), text);
  }
  EXPECT_EQ(RedactEnvironment(std::string_view("PWD=/srv\0PWD=hunter\0", 20)),
            "PWD=/srv\nPWD=[redacted]\n");
}

}  // namespace
}  // namespace fodc::capture
