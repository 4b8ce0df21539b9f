// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace kvload {

using fodc::DataLoss;
using fodc::MutexLock;
using fodc::OkStatus;
using fodc::ParseUint;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;

std::string MakeValue(std::string_view key, std::uint64_t version,
                      std::size_t bytes) {
  std::string value = StrCat(key, ' ', version, ' ');
  // splitmix64, so that a stray piece of another value does not pass.
  std::uint64_t state = version * 0x9e3779b97f4a7c15u + value.size();
  for (const char c : key) state = state * 31 + static_cast<unsigned char>(c);
  const std::size_t head = value.size();
  value.resize(std::max(bytes, head));
  for (std::size_t i = head; i < value.size(); i += sizeof state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (std::size_t b = 0; b < sizeof z && i + b < value.size(); ++b) {
      value[i + b] = static_cast<char>(z >> (8 * b));
    }
  }
  return value;
}

std::optional<std::uint64_t> VersionOf(std::string_view key,
                                       std::string_view value) {
  std::string_view rest = value;
  if (!fodc::ConsumePrefix(&rest, key) || !fodc::ConsumePrefix(&rest, " ")) {
    return std::nullopt;
  }
  const auto version = ParseUint(rest.substr(0, rest.find(' ')));
  if (!version || MakeValue(key, *version, value.size()) != value) {
    return std::nullopt;
  }
  return version;
}

Result<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path) {
  std::unique_ptr<Ledger> ledger(new Ledger);
  if (path.empty()) return ledger;
  ledger->fd_ =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (ledger->fd_ < 0) return fodc::ErrnoStatus(errno, "open " + path);
  return ledger;
}

Ledger::~Ledger() { Close().IgnoreError(); }

void Ledger::Write(std::string_view line) {
  if (fd_ < 0) return;
  const std::string text = StrCat(line, '\n');
  // One write of one line at its end: lines of threads do not mix.
  const Status status = fodc::WriteAll(fd_, text, "ledger");
  if (status.ok()) return;
  const MutexLock lock(mutex_);
  failure_ = status;
}

Status Ledger::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  const MutexLock lock(mutex_);
  return failure_;
}

Result<Expectation> ReadLedger(const std::string& path) {
  FODC_ASSIGN_OR_RETURN(const std::string text,
                        fodc::ReadFile(path, std::size_t{1} << 30));
  return ParseLedger(text).WithContext(path);
}

Result<Expectation> ParseLedger(std::string_view text) {
  Expectation e;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    ++number;
    const std::vector<std::string_view> words = fodc::Split(line, ' ');
    const auto bad = [&] {
      return DataLoss(StrCat("line ", number, " is none of a ledger: '",
                             line.substr(0, 80), "'"));
    };
    if (words.size() < 2) return bad();
    const std::string name(words[1]);
    const auto word = [&](std::size_t i) {
      return i < words.size() ? ParseUint(words[i]) : std::nullopt;
    };
    if (words[0] == "put" || words[0] == "put-ok" || words[0] == "add" ||
        words[0] == "add-ok") {
      if (!word(2)) return bad();
      std::uint64_t& newest = e.newest[name];
      newest = std::max(newest, *word(2));
    }
    if (words[0] == "put" || words[0] == "del") {
      // Before the first request there is nothing.
      auto& versions = e.keys.try_emplace(name, 1).first->second;
      versions.push_back(words[0] == "put" ? word(2) : std::nullopt);
    } else if (words[0] == "put-ok" || words[0] == "del-ok") {
      e.keys[name] = {words[0] == "put-ok" ? word(2) : std::nullopt};
      ++e.acknowledged;
    } else if (words[0] == "add") {
      e.streams[name].unsettled.push_back(*word(2));
    } else if (words[0] == "add-ok") {
      if (!word(3)) return bad();
      Expectation::Stream& stream = e.streams[name];
      stream.acknowledged[*word(3)] = *word(2);
      std::erase(stream.unsettled, *word(2));
      ++e.acknowledged;
    } else {
      return bad();
    }
  }
  return e;
}

}  // namespace kvload
