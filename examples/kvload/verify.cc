// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/verify.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <thread>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace kvload {

using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;

namespace {

constexpr int kMaxRejections = 600;
constexpr std::chrono::milliseconds kPause{100};

// A rejection is a request to come back.
Result<Answer> Ask(Client* client, const std::string& target) {
  for (int i = 0;; ++i) {
    FODC_ASSIGN_OR_RETURN(Answer answer, client->Do("GET", target));
    if (answer.status != 503) return answer;
    if (i == kMaxRejections) {
      return fodc::Unavailable(target + " is rejected again and again");
    }
    std::this_thread::sleep_for(kPause);
  }
}

class Verifier {
 public:
  explicit Verifier(Client* client) : client_(client) {}

  Status CheckKey(const std::string& key,
                  const Expectation::Versions& versions) {
    FODC_ASSIGN_OR_RETURN(const Answer answer,
                          Ask(client_, "/kv/" + fodc::net::PercentEncode(key)));
    if (answer.status != 200 && answer.status != 404) {
      return fodc::Unavailable(
          StrCat("key ", key, " is answered ", answer.status));
    }
    ++report_.keys;
    const bool is_there = answer.status == 200;
    const auto version = VersionOf(key, answer.body);
    if (is_there && !version) {
      Note(&report_.wrong, StrCat("key ", key, ": not a value of this tool"));
    } else if (std::ranges::find(versions, version) == versions.end()) {
      const std::string found =
          version ? StrCat("version ", *version) : std::string("no value");
      Note(&report_.lost, StrCat("key ", key, ": ", found));
    }
    return OkStatus();
  }

  Status CheckStream(const std::string& name,
                     const Expectation::Stream& expected) {
    report_.stream_entries += expected.acknowledged.size();
    std::map<std::uint64_t, std::uint64_t> missing = expected.acknowledged;
    std::string after = "0";
    while (!after.empty()) {
      FODC_ASSIGN_OR_RETURN(
          const Answer answer,
          Ask(client_, StrCat("/streams/", fodc::net::PercentEncode(name),
                              "?after=", after)));
      if (answer.status != 200) {
        return fodc::Unavailable(
            StrCat("stream ", name, " is answered ", answer.status));
      }
      for (std::string_view line : fodc::Split(answer.body, '\n')) {
        if (!line.empty()) CheckEntry(name, line, expected, &missing);
      }
      after = answer.next;
    }
    for (const auto& [sequence, version] : missing) {
      Note(&report_.lost, StrCat("stream ", name, ": entry ", sequence));
    }
    return OkStatus();
  }

  VerifyReport& report() { return report_; }

 private:
  void CheckEntry(const std::string& name, std::string_view line,
                  const Expectation::Stream& expected,
                  std::map<std::uint64_t, std::uint64_t>* missing) {
    const std::size_t tab = line.find('\t');
    const auto sequence = fodc::ParseUint(line.substr(0, tab));
    const Result<std::string> value = fodc::net::PercentDecode(
        tab == std::string_view::npos ? "" : line.substr(tab + 1));
    const auto version = value.ok() ? VersionOf(name, *value) : std::nullopt;
    if (sequence && version) {
      const auto it = missing->find(*sequence);
      if (it != missing->end() && it->second == *version) {
        missing->erase(it);
        return;
      }
      if (std::ranges::find(expected.unsettled, *version) !=
          expected.unsettled.end()) {
        return;
      }
    }
    Note(&report_.wrong,
         StrCat("stream ", name, ": entry ", line.substr(0, 40)));
  }

  void Note(std::uint64_t* count, std::string example) {
    ++*count;
    if (report_.examples.size() < 10) {
      report_.examples.push_back(std::move(example));
    }
  }

  Client* client_;
  VerifyReport report_;
};

}  // namespace

Result<VerifyReport> Verify(const Expectation& expected, Client* client) {
  Verifier verifier(client);
  for (const auto& [key, versions] : expected.keys) {
    FODC_RETURN_IF_ERROR(verifier.CheckKey(key, versions));
  }
  for (const auto& [name, stream] : expected.streams) {
    FODC_RETURN_IF_ERROR(verifier.CheckStream(name, stream));
  }
  return verifier.report();
}

}  // namespace kvload
