// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "examples/kvload/client.h"
#include "examples/kvload/crew.h"
#include "examples/kvload/ledger.h"
#include "examples/kvload/loads.h"
#include "examples/kvload/tally.h"
#include "fodc/base/strings.h"

namespace kvload {

using fodc::Result;
using fodc::Status;
using fodc::StrCat;

namespace {

enum Kind : std::size_t { kPut, kDelete, kAppend, kKinds };
constexpr std::array<std::string_view, kKinds> kKindNames = {"put", "delete",
                                                             "append"};
using Tallies = std::array<Tally, kKinds>;

// One connection's writes: to keys and a stream that are its own.
class Writer {
 public:
  Writer(const LoadOptions& options, std::size_t index, Ledger* ledger,
         const Expectation& before)
      : options_(options),
        name_(StrCat("w", index)),
        ledger_(ledger),
        client_(options),
        random_(index) {
    for (const auto& [name, version] : before.newest) {
      version_ = std::max(version_, version);
    }
  }

  void Run(Crew* crew, bool ramp) {
    Pace pace = crew->MakePace(ramp);
    while (crew->More()) {
      const fodc::MonotonicTime due = pace.Next();
      const Kind kind = Choose();
      const Result<Answer> answer = Write(kind);
      tallies_[kind].Count(answer, fodc::SystemClock().Monotonic() - due);
      if (!answer.ok()) PauseAfterFailure();
    }
  }
  const Tallies& tallies() const { return tallies_; }

 private:
  Kind Choose() {
    const auto percent = static_cast<std::int64_t>(random_() % 100);
    if (percent < options_.delete_percent) return kDelete;
    if (percent < options_.delete_percent + options_.append_percent) {
      return kAppend;
    }
    return kPut;
  }

  Result<Answer> Write(Kind kind) {
    const std::string key = StrCat(
        name_, "-k", random_() % static_cast<std::uint64_t>(options_.keys));
    const std::string stream = name_ + "-s";
    const std::uint64_t version = ++version_;
    switch (kind) {
      case kPut:
        return Ask("put", StrCat(key, ' ', version), "PUT", "/kv/" + key,
                   MakeValue(key, version, options_.value_bytes));
      case kDelete:
        return Ask("del", key, "DELETE", "/kv/" + key, "");
      default:
        return Ask("add", StrCat(stream, ' ', version), "POST",
                   "/streams/" + stream,
                   MakeValue(stream, version, options_.value_bytes));
    }
  }

  // The intent, the request, and if it was done the acknowledgement.
  Result<Answer> Ask(const char* verb, const std::string& what,
                     const char* method, const std::string& target,
                     const std::string& body) {
    ledger_->Write(StrCat(verb, ' ', what));
    Result<Answer> answer = client_.Do(method, target, body);
    if (answer.ok() && answer->status / 100 == 2) {
      const std::string_view sequence = fodc::Trim(answer->body);
      ledger_->Write(
          StrCat(verb, "-ok ", what, sequence.empty() ? "" : " ", sequence));
    }
    return answer;
  }

  const LoadOptions& options_;
  const std::string name_;
  Ledger* const ledger_;
  Client client_;
  std::mt19937_64 random_;
  std::uint64_t version_ = 0;
  Tallies tallies_;
};

}  // namespace

Status RunWrites(const LoadOptions& options, bool ramp) {
  Expectation before;
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<Ledger> ledger,
                        Ledger::Open(options.ledger));
  if (!options.ledger.empty()) {
    FODC_ASSIGN_OR_RETURN(before, ReadLedger(options.ledger));
  }
  Crew crew(options);
  std::vector<Tallies> all(static_cast<std::size_t>(options.connections));
  crew.Run([&](std::size_t i) {
    Writer writer(options, i, ledger.get(), before);
    writer.Run(&crew, ramp);
    all[i] = writer.tallies();
  });
  const auto wall = crew.elapsed();
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    Tally tally;
    for (const Tallies& one : all) tally.Join(one[kind]);
    (void)std::puts(
        tally.Json(ramp ? "ramp" : "write", kKindNames[kind], wall).c_str());
  }
  return ledger->Close();
}

}  // namespace kvload
