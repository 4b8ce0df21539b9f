// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/flags.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::program {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.String("proxy-addr", &address_, "where the proxy listens");
    flags_.Bool("ktm-enabled", &ktm_, "kernel telemetry");
    flags_.Int("lifecycle-port", &port_, "port, 0 for none")
        .AtLeast(0)
        .AtMost(65535);
    flags_.Float("ratio", &ratio_, "a ratio");
    flags_.Duration("poll-metrics-interval", &interval_, "time between scrapes")
        .AtLeast(100ms);
    flags_.Bytes("recorder-memory", &memory_, "bound of the recording");
    flags_.List("poll-metrics-ports", &ports_, "ports to scrape").NotEmpty();
    flags_.String("token", &token_, "a secret").Secret();
    flags_.String("log-format", &format_, "logfmt or json")
        .OneOf({"logfmt", "json"});
  }
  ~FlagsTest() override {
    for (const char* name :
         {"FODC_PROXY_ADDR", "FODC_POLL_METRICS_PORTS", "FODC_KTM_ENABLED",
          "FODC_CONFIG", "FODC_LIFECYCLE_PORT"}) {
      UnsetEnv(name);
    }
  }
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread
  static void SetEnv(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);
  }
  static void UnsetEnv(const char* name) { ::unsetenv(name); }
  // NOLINTEND(concurrency-mt-unsafe)

  ParseOutcome Parse(const std::vector<std::string>& args) {
    return flags_.Parse(args);
  }
  std::string Config(const std::string& text) {
    EXPECT_THAT(WriteFileAtomically(dir_.File("c"), text), IsOk());
    return dir_.File("c");
  }

  TempDirectory dir_;
  Flags flags_{"fodc-test", "tests flags", "1.2.3"};
  std::string address_ = "localhost:17912";
  bool ktm_ = false;
  std::int64_t port_ = 18912;
  double ratio_ = 0.5;
  std::chrono::nanoseconds interval_ = 10s;
  std::uint64_t memory_ = 10u << 20;
  std::vector<std::string> ports_ = {"2121"};
  std::string token_;
  std::string format_ = "logfmt";
};

TEST_F(FlagsTest, DefaultsStayWithoutArguments) {
  EXPECT_TRUE(Parse({}).run);
  EXPECT_EQ(address_, "localhost:17912");
  EXPECT_EQ(interval_, 10s);
  EXPECT_THAT(ports_, ElementsAre("2121"));
}

TEST_F(FlagsTest, TakesBothFormsOfAValue) {
  const ParseOutcome o = Parse({"--proxy-addr=a:1", "--lifecycle-port", "7",
                                "--poll-metrics-interval=1m30s",
                                "--recorder-memory", "64MiB", "--ratio=-1.5"});
  ASSERT_TRUE(o.run) << o.error;
  EXPECT_EQ(address_, "a:1");
  EXPECT_EQ(port_, 7);
  EXPECT_EQ(interval_, 90s);
  EXPECT_EQ(memory_, 64u << 20);
  EXPECT_EQ(ratio_, -1.5);
}

TEST_F(FlagsTest, BoolsNeedNoValue) {
  ASSERT_TRUE(Parse({"--ktm-enabled", "--ratio", "2"}).run);
  EXPECT_TRUE(ktm_);
  EXPECT_EQ(ratio_, 2);
}

TEST_F(FlagsTest, BoolsMayBeSetToFalse) {
  ktm_ = true;
  ASSERT_TRUE(Parse({"--ktm-enabled=false"}).run);
  EXPECT_FALSE(ktm_);
}

TEST_F(FlagsTest, AnEmptyValueIsAValue) {
  ASSERT_TRUE(Parse({"--proxy-addr=", "--ktm-enabled"}).run);
  EXPECT_EQ(address_, "");
  EXPECT_TRUE(ktm_);
}

TEST_F(FlagsTest, AnEmptyArgumentIsAValueToo) {
  ASSERT_TRUE(Parse({"--proxy-addr", "", "--ratio=1"}).run);
  EXPECT_EQ(address_, "");
}

TEST_F(FlagsTest, ListsGrowByRepetitionAndCommas) {
  ASSERT_TRUE(
      Parse({"--poll-metrics-ports=1,2", "--poll-metrics-ports", "3"}).run);
  EXPECT_THAT(ports_, ElementsAre("1", "2", "3"));
}

TEST(FlagsTextsTest, TextsGrowByRepetitionAndKeepTheirCommas) {
  std::vector<std::string> signals;
  const auto parse = [&signals](const std::vector<std::string>& arguments) {
    signals = {"default"};
    Flags flags("x", "", "1");
    flags.Texts("signal", &signals, "series");
    return flags.Parse(arguments).run;
  };
  ASSERT_TRUE(parse({"--signal=a=x{l=\"v, w\"},y", "--signal", "b=z"}));
  EXPECT_THAT(signals, ElementsAre("a=x{l=\"v, w\"},y", "b=z"));
  ASSERT_TRUE(parse({"--signal="}));
  EXPECT_THAT(signals, IsEmpty());
  ASSERT_TRUE(parse({}));
  EXPECT_THAT(signals, ElementsAre("default"));
  const TempDirectory dir;
  const std::string file = dir.File("config");
  ASSERT_THAT(WriteFileAtomically(
                  file, "signal = [\"a=x{l=\\\"v, w\\\"},y\", \"b=z\"]\n"),
              IsOk());
  ASSERT_TRUE(parse({"--config=" + file}));
  EXPECT_THAT(signals, ElementsAre("a=x{l=\"v, w\"},y", "b=z"));
}

TEST_F(FlagsTest, TheLastOfSeveralWins) {
  ASSERT_TRUE(Parse({"--proxy-addr=a", "--proxy-addr=b"}).run);
  EXPECT_EQ(address_, "b");
}

TEST_F(FlagsTest, FlagBeforeEnvironmentBeforeFile) {
  SetEnv("FODC_PROXY_ADDR", "env");
  SetEnv("FODC_POLL_METRICS_PORTS", "8,9");
  SetEnv("FODC_KTM_ENABLED", "true");
  const std::string file = Config(
      "proxy-addr = \"file\"\npoll-metrics-ports = [1, 2]\n"
      "lifecycle-port = 5\nratio = 0.25\n");
  const ParseOutcome o =
      Parse({"--config", file, "--lifecycle-port=6", "--ktm-enabled=false"});
  ASSERT_TRUE(o.run) << o.error;
  EXPECT_EQ(address_, "env");
  EXPECT_THAT(ports_, ElementsAre("8", "9"));
  EXPECT_EQ(port_, 6);
  EXPECT_EQ(ratio_, 0.25);
  EXPECT_FALSE(ktm_);
  std::vector<std::string> sources;
  for (const EffectiveValue& v : flags_.EffectiveValues()) {
    sources.push_back(v.name + ":" + v.source);
  }
  EXPECT_THAT(
      sources,
      ElementsAre("proxy-addr:env", "ktm-enabled:flag", "lifecycle-port:flag",
                  "ratio:file", "poll-metrics-interval:default",
                  "recorder-memory:default", "poll-metrics-ports:env",
                  "token:default", "log-format:default"));
}

TEST_F(FlagsTest, AListGivenAsFlagReplacesTheEnvironments) {
  SetEnv("FODC_POLL_METRICS_PORTS", "8,9");
  ASSERT_TRUE(Parse({"--poll-metrics-ports=1"}).run);
  EXPECT_THAT(ports_, ElementsAre("1"));
}

TEST_F(FlagsTest, ReadsListsAndTypesFromTheFile) {
  const std::string file = Config(
      "# comment\npoll-metrics-ports = [1, 2]\nktm-enabled = true\n"
      "poll-metrics-interval = 5s\n");
  const ParseOutcome o = Parse({"--config=" + file});
  ASSERT_TRUE(o.run) << o.error;
  EXPECT_THAT(ports_, ElementsAre("1", "2"));
  EXPECT_TRUE(ktm_);
  EXPECT_EQ(interval_, 5s);
}

TEST_F(FlagsTest, TheFileMayComeFromTheEnvironment) {
  SetEnv("FODC_CONFIG", Config("ratio = 3\n"));
  ASSERT_TRUE(Parse({}).run);
  EXPECT_EQ(ratio_, 3);
}

TEST_F(FlagsTest, NamesAnUnknownFlag) {
  const ParseOutcome o = Parse({"--proxy-adr=x"});
  EXPECT_FALSE(o.run);
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_EQ(o.error,
            "fodc-test: unknown flag --proxy-adr\nSee fodc-test --help.\n");
}

struct BadCase {
  std::vector<std::string> args;
  const char* message;
};

TEST_F(FlagsTest, ErrorsNameTheFlagTheValueAndTheLimit) {
  const BadCase cases[] = {
      {{"--lifecycle-port=x1"}, "--lifecycle-port: \"x1\" is not a whole"},
      {{"--lifecycle-port=-1"},
       "--lifecycle-port: -1 is less than the "
       "minimum of 0"},
      {{"--lifecycle-port=65536"},
       "--lifecycle-port: 65536 is more than the "
       "maximum of 65535"},
      {{"--poll-metrics-interval=10"}, "\"10\" is not a duration"},
      {{"--poll-metrics-interval=5ms"},
       "5ms is less than the minimum of "
       "100ms"},
      {{"--recorder-memory=lots"}, "\"lots\" is not a size"},
      {{"--ktm-enabled=maybe"}, "\"maybe\" is not true or false"},
      {{"--ratio=half"}, "\"half\" is not a number"},
      {{"--log-format=xml"}, "--log-format: \"xml\" is not one of logfmt,json"},
      {{"--poll-metrics-ports="}, "--poll-metrics-ports: must not be empty"},
      {{"--proxy-addr"}, "--proxy-addr needs a value"},
      {{"stray"}, "unexpected argument \"stray\""},
      {{"-x"}, "unknown flag -x"},
      {{"--config=/no/such/file"}, "/no/such/file"},
  };
  for (const BadCase& c : cases) {
    const ParseOutcome o = Parse(c.args);
    EXPECT_FALSE(o.run) << c.message;
    EXPECT_THAT(o.error, HasSubstr(c.message));
    // Back to the defaults for the next case.
    port_ = 18912;
    interval_ = 10s;
    format_ = "logfmt";
    ports_ = {"2121"};
  }
}

TEST_F(FlagsTest, NamesAnUnknownKeyOfTheFileAndItsLine) {
  const ParseOutcome o = Parse({"--config", Config("proxy-adr = x\n")});
  EXPECT_FALSE(o.run);
  EXPECT_EQ(o.error, "fodc-test: " + dir_.File("c") +
                         ", line 1: unknown flag proxy-adr\n"
                         "See fodc-test --help.\n");
  EXPECT_THAT(Parse({"--config", Config("# x\n\npoll-metrics-ports = [1,\n"
                                        "2]\nratio: 3\n")})
                  .error,
              HasSubstr("/c, line 5: \"ratio\" is not `flag = value`\n"));
  // Whatever else stands there may be secret.
  for (const char* line :
       {"ports: https://u:pass@h/m\n", "ports: https://u:pass@h/m?a=b\n"}) {
    EXPECT_THAT(Parse({"--config", Config(line)}).error,
                AllOf(HasSubstr("ports"), Not(HasSubstr("pass"))));
  }
}

TEST_F(FlagsTest, ShowsNoPasswordOfAUrlInTheWrongPlace) {
  const std::string url = "http://u:top/secret@h/";
  for (const std::string& argument : {url, "--lifecycle-port=" + url}) {
    EXPECT_THAT(Parse({argument}).error,
                AllOf(HasSubstr("http://***@h/"), Not(HasSubstr("secret"))));
  }
  EXPECT_THAT(Parse({"--config", Config("[" + url + "]\n")}).error,
              AllOf(HasSubstr("/c, line 1: "), Not(HasSubstr("secret"))));
}

TEST_F(FlagsTest, NamesASectionAndItsLine) {
  EXPECT_THAT(
      Parse({"--config", Config("[default]\n[sec]\nratio = 1\n")}).error,
      HasSubstr("/c, line 2: \"[sec]\" is not `flag = value`\n"));
}

TEST_F(FlagsTest, SaysWhereAWrongValueIsFrom) {
  SetEnv("FODC_LIFECYCLE_PORT", "abc");
  EXPECT_EQ(Parse({}).error,
            "fodc-test: --lifecycle-port: \"abc\" is not a whole number (from "
            "FODC_LIFECYCLE_PORT)\nSee fodc-test --help.\n");
  SetEnv("FODC_LIFECYCLE_PORT", "-1");
  EXPECT_THAT(Parse({}).error, HasSubstr("(from FODC_LIFECYCLE_PORT)\n"));
  UnsetEnv("FODC_LIFECYCLE_PORT");
  port_ = 18912;
  EXPECT_THAT(Parse({"--config", Config("ratio = 1\nratio = half\n")}).error,
              HasSubstr("\"half\" is not a number (from " + dir_.File("c") +
                        ", line 2)\n"));
  EXPECT_THAT(Parse({"--ratio=x"}).error, Not(HasSubstr("from")));
  SetEnv("FODC_CONFIG", "/no/such/file");
  EXPECT_THAT(Parse({}).error, HasSubstr("(from FODC_CONFIG)\n"));
  EXPECT_TRUE(Parse({"--config="}).run)
      << "no file, whatever the variable says";
}

TEST_F(FlagsTest, OfSeveralFlagsEachOriginIsNamed) {
  SetEnv("FODC_LIFECYCLE_PORT", "7");
  flags_.CheckAll([] {
    return InvalidArgument("--lifecycle-port and --ratio; not --lifecycle");
  });
  const std::string error =
      Parse({"--config", Config("ratio = 3\n"), "--proxy-addr=a"}).error;
  EXPECT_THAT(error, HasSubstr("(--lifecycle-port from FODC_LIFECYCLE_PORT; "
                               "--ratio from " +
                               dir_.File("c") + ", line 1)\n"));
}

TEST(MaskUserInfoTest, HidesUserAndPasswordOnly) {
  const auto shown = [](const std::string& given) {
    Flags flags("p", "s", "1");
    std::vector<std::string> urls;
    flags.List("urls", &urls, "pages").MaskUserInfo();
    EXPECT_TRUE(flags.Parse({"--urls=" + given}).run);
    return flags.EffectiveValues()[0].value;
  };
  EXPECT_EQ(shown("http://h:1/m"), "http://h:1/m");
  EXPECT_EQ(shown("http://u:p@h:1/m,https://h/n"),
            "http://***@h:1/m,https://h/n");
  EXPECT_EQ(shown("http://h/m,http://u:p://@x@h"), "http://h/m,http://***@h");
  EXPECT_EQ(shown("http://u:a,b@h/m"), "http://***@h/m");
  EXPECT_EQ(shown("u:p@h"), "***@h");
}

TEST_F(FlagsTest, RulesBetweenFlagsAreChecked) {
  flags_.CheckAll([this]() -> Status {
    return port_ == 1 && ktm_ ? InvalidArgument("not both") : OkStatus();
  });
  EXPECT_THAT(Parse({"--lifecycle-port=1", "--ktm-enabled"}).error,
              HasSubstr("not both"));
}

TEST_F(FlagsTest, SecretsAreMasked) {
  ASSERT_TRUE(Parse({"--token=hunter2"}).run);
  EXPECT_EQ(token_, "hunter2");
  for (const EffectiveValue& v : flags_.EffectiveValues()) {
    EXPECT_THAT(v.value, Not(HasSubstr("hunter2")));
    if (v.name == "token") {
      EXPECT_EQ(v.value, "***");
    }
  }
}

TEST_F(FlagsTest, HelpAndVersionEndTheProgramWell) {
  const ParseOutcome help = Parse({"--unknown", "--help"});
  EXPECT_FALSE(help.run);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out,
              HasSubstr("  --poll-metrics-interval duration (default \"10s\")"
                        "\n      time between scrapes\n"));
  EXPECT_THAT(help.out, HasSubstr("recorder-memory bytes (default \"10MiB\")"));
  EXPECT_THAT(help.out, HasSubstr("FODC_FLAG_NAME"));
  EXPECT_EQ(Parse({"--version"}).out, "fodc-test 1.2.3\n");
}

TEST_F(FlagsTest, TakesNothingButFlags) {
  EXPECT_THAT(Parse({"a"}).error, HasSubstr("unexpected argument \"a\""));
  EXPECT_THAT(Parse({"--", "--b"}).error,
              HasSubstr("unexpected argument \"--b\""));
  EXPECT_TRUE(Parse({"--ratio=1", "--"}).run);
}

}  // namespace
}  // namespace fodc::program
